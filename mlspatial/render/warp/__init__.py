"""The default engine: a rasteriser for the CPU and CUDA, written in NVIDIA Warp."""

from mlspatial.render.warp import engine as engine
