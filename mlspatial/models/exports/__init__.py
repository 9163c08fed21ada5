"""Networks for other programs: a form a file, one registration in EXPORTS."""

import sys

from mlspatial.core.plugins import import_all
from mlspatial.models.exports.base import EXPORTS, Form, Order
from mlspatial.models.exports.card import Card
from mlspatial.models.exports.folder import demand_room, hashes, put

__all__ = ["EXPORTS", "Card", "Form", "Order", "demand_room", "hashes", "put"]

import_all(sys.modules[__name__])
