"""Names in SavedModels: files, collections, tags, keys and methods of signatures."""

from __future__ import annotations

from millrace.core.public import public

ASSETS_DIRECTORY = public(
    "saved_model.ASSETS_DIRECTORY",
    "saved_model.constants.ASSETS_DIRECTORY",
    "python.saved_model.constants.ASSETS_DIRECTORY",
)("assets")
ASSETS_KEY = public(
    "saved_model.ASSETS_KEY", "saved_model.constants.ASSETS_KEY", "python.saved_model.constants.ASSETS_KEY"
)("saved_model_assets")
LEGACY_INIT_OP_KEY = public(
    "saved_model.LEGACY_INIT_OP_KEY",
    "saved_model.constants.LEGACY_INIT_OP_KEY",
    "python.saved_model.constants.LEGACY_INIT_OP_KEY",
)("legacy_init_op")
MAIN_OP_KEY = public(
    "saved_model.MAIN_OP_KEY", "saved_model.constants.MAIN_OP_KEY", "python.saved_model.constants.MAIN_OP_KEY"
)("saved_model_main_op")
SAVED_MODEL_FILENAME_PB = public(
    "saved_model.SAVED_MODEL_FILENAME_PB",
    "saved_model.constants.SAVED_MODEL_FILENAME_PB",
    "python.saved_model.constants.SAVED_MODEL_FILENAME_PB",
)("saved_model.pb")
SAVED_MODEL_FILENAME_PBTXT = public(
    "saved_model.SAVED_MODEL_FILENAME_PBTXT",
    "saved_model.constants.SAVED_MODEL_FILENAME_PBTXT",
    "python.saved_model.constants.SAVED_MODEL_FILENAME_PBTXT",
)("saved_model.pbtxt")
SAVED_MODEL_SCHEMA_VERSION = public(
    "saved_model.SAVED_MODEL_SCHEMA_VERSION",
    "saved_model.constants.SAVED_MODEL_SCHEMA_VERSION",
    "python.saved_model.constants.SAVED_MODEL_SCHEMA_VERSION",
)(1)
VARIABLES_DIRECTORY = public(
    "saved_model.VARIABLES_DIRECTORY",
    "saved_model.constants.VARIABLES_DIRECTORY",
    "python.saved_model.constants.VARIABLES_DIRECTORY",
)("variables")
VARIABLES_FILENAME = public(
    "saved_model.VARIABLES_FILENAME",
    "saved_model.constants.VARIABLES_FILENAME",
    "python.saved_model.constants.VARIABLES_FILENAME",
)("variables")
# Signatures that only loaders read: what initialises the model, and what trains it.
INIT_OP_SIGNATURE = "__saved_model_init_op"
TRAIN_OP_SIGNATURE = "__saved_model_train_op"

SERVING = public(
    "saved_model.SERVING", "saved_model.tag_constants.SERVING", "python.saved_model.tag_constants.SERVING"
)("serve")
TRAINING = public(
    "saved_model.TRAINING", "saved_model.tag_constants.TRAINING", "python.saved_model.tag_constants.TRAINING"
)("train")
GPU = public("saved_model.GPU", "saved_model.tag_constants.GPU", "python.saved_model.tag_constants.GPU")(
    "gpu"
)
TPU = public("saved_model.TPU", "saved_model.tag_constants.TPU", "python.saved_model.tag_constants.TPU")(
    "tpu"
)

DEFAULT_SERVING_SIGNATURE_DEF_KEY = public(
    "saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY",
    "saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY",
    "python.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY",
)("serving_default")
CLASSIFY_INPUTS = public(
    "saved_model.CLASSIFY_INPUTS",
    "saved_model.signature_constants.CLASSIFY_INPUTS",
    "python.saved_model.signature_constants.CLASSIFY_INPUTS",
)("inputs")
CLASSIFY_METHOD_NAME = public(
    "saved_model.CLASSIFY_METHOD_NAME",
    "saved_model.signature_constants.CLASSIFY_METHOD_NAME",
    "python.saved_model.signature_constants.CLASSIFY_METHOD_NAME",
)("tensorflow/serving/classify")
CLASSIFY_OUTPUT_CLASSES = public(
    "saved_model.CLASSIFY_OUTPUT_CLASSES",
    "saved_model.signature_constants.CLASSIFY_OUTPUT_CLASSES",
    "python.saved_model.signature_constants.CLASSIFY_OUTPUT_CLASSES",
)("classes")
CLASSIFY_OUTPUT_SCORES = public(
    "saved_model.CLASSIFY_OUTPUT_SCORES",
    "saved_model.signature_constants.CLASSIFY_OUTPUT_SCORES",
    "python.saved_model.signature_constants.CLASSIFY_OUTPUT_SCORES",
)("scores")
PREDICT_INPUTS = public(
    "saved_model.PREDICT_INPUTS",
    "saved_model.signature_constants.PREDICT_INPUTS",
    "python.saved_model.signature_constants.PREDICT_INPUTS",
)("inputs")
PREDICT_METHOD_NAME = public(
    "saved_model.PREDICT_METHOD_NAME",
    "saved_model.signature_constants.PREDICT_METHOD_NAME",
    "python.saved_model.signature_constants.PREDICT_METHOD_NAME",
)("tensorflow/serving/predict")
PREDICT_OUTPUTS = public(
    "saved_model.PREDICT_OUTPUTS",
    "saved_model.signature_constants.PREDICT_OUTPUTS",
    "python.saved_model.signature_constants.PREDICT_OUTPUTS",
)("outputs")
REGRESS_INPUTS = public(
    "saved_model.REGRESS_INPUTS",
    "saved_model.signature_constants.REGRESS_INPUTS",
    "python.saved_model.signature_constants.REGRESS_INPUTS",
)("inputs")
REGRESS_METHOD_NAME = public(
    "saved_model.REGRESS_METHOD_NAME",
    "saved_model.signature_constants.REGRESS_METHOD_NAME",
    "python.saved_model.signature_constants.REGRESS_METHOD_NAME",
)("tensorflow/serving/regress")
REGRESS_OUTPUTS = public(
    "saved_model.REGRESS_OUTPUTS",
    "saved_model.signature_constants.REGRESS_OUTPUTS",
    "python.saved_model.signature_constants.REGRESS_OUTPUTS",
)("outputs")
