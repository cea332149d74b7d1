"""Engines beside OpenVINO, and how one is chosen; ONNX Runtime's CPU kernels stand for all of its providers."""

import json

import numpy as np
import pytest

import clearcall
from clearcall.bundle import bundled_models, read_bundle
from clearcall.errors import BundleError, MissingExtraError, MissingHardwareError, RecipeError
from clearcall.media.colour import Colours
from clearcall.runtime.device import candidates, open_fastest
from clearcall.runtime.engine import OpenVINOEngine
from clearcall.runtime.onnx_engine import ONNXRuntimeEngine
from tests_picture import picture
