"""Procedural panoramas, in linear radiance.

noise: textures on directions and metres, not on pixels; rays: the shading loop; sky: gradient, sun, clouds;
outdoor: how sky, ridges, ground and things make a scene; grounds, ridges, plants, buildings: what they are made of;
country, town: the outdoor scenes; room: light and surfaces indoors; rooms: the indoor scenes.

The order of import is the order above. A change that moves a pixel changes VERSION in environments.py.
"""
