"""ThreeDWorld (Gan et al. 2021) as a renderer: a Unity program, the build, that is told over a socket what to draw."""

from mlspatial.render.tdw import engine as engine
from mlspatial.render.tdw import library as library
