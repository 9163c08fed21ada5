"""Folders of objects made from collections of 3D models that a person has on disk: a file a collection."""

from mlspatial.render.collect import gso as gso
from mlspatial.render.collect import sweethome3d as sweethome3d
from mlspatial.render.collect import ycb as ycb
