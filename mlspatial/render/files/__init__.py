"""What files of 3D models need before they can be drawn: their materials found, their surfaces mended."""
