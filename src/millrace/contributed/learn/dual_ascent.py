"""`tf.contrib.learn`: linear models that dual coordinate ascent trains, and support vector machines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.layers.columns.models import transform_features, weighted_sum_from_feature_columns
from millrace.contributed.learn import session_bundles
from millrace.contributed.learn.configuration import RunConfig
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.heads.classes import binary_svm_head
from millrace.contributed.learn.models import named_features
from millrace.contributed.linear_optimizer.optimizer import SDCAOptimizer
from millrace.core.public import public
from millrace.lib.variables.scope import variable_scope
from millrace.training.dual_ascent.hooks import UpdateWeights
from millrace.training.global_step import get_global_step


def dual_ascent_model(
    head: Any, columns: Any, optimizer: SDCAOptimizer, weight_column_name: str | None, loss_type: str
) -> Callable[..., Any]:
    """The model function of a linear model.

    Args:
      head: what is done with the logits.
      columns: older feature columns.
      optimizer: trains the model.
      weight_column_name: the feature that weighs the examples, or None.
      loss_type: the loss that is trained.
    """

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        features = named_features(features)
        hooks: list[UpdateWeights] = []
        values = list(features.values())
        with variable_scope("linear", values=values, partitioner=optimizer.partitioner) as scope:
            features = {**features, **transform_features(features, columns)}
            logits, variables, bias = weighted_sum_from_feature_columns(
                columns_to_tensors=features,
                feature_columns=columns,
                num_outputs=1,
                weight_collections=["linear"],
                scope=scope,
            )

        def train_op_fn(loss: Any) -> Any:
            del loss
            model, step = optimizer.get_train_step(
                {**variables, None: bias}, weight_column_name, loss_type, features, labels, get_global_step()
            )
            hooks.append(UpdateWeights(model))
            return step

        made = head.create_model_fn_ops(features, mode, labels, train_op_fn, logits)
        return made._replace(training_chief_hooks=tuple(hooks)) if mode == "train" else made

    return model_fn


def refuse_for_dual_ascent(joint: bool, centered_bias: bool) -> None:
    """Refuses what a linear model that dual coordinate ascent trains cannot have.

    Raises:
      AssertionError: the weights of all columns are rows of one variable.
      ValueError: a bias is learnt that centres the predictions.
    """
    if joint:
        raise AssertionError("_joint_weight is incompatible with the SDCAOptimizer. Received: True")
    if centered_bias:
        raise ValueError("enable_centered_bias is not supported with SDCA. Received: True")


@public("contrib.learn.SVM")
class SVM(Estimator):
    """A linear support vector machine for two classes, trained by dual coordinate ascent.

    Args:
      example_id_column: the feature with each example's name.
      feature_columns: older feature columns: real-valued, bucketized, sparse, weighted or crossed.
      weight_column_name: the feature that weighs the examples.
      model_dir: the folder of checkpoints and summaries.
      l1_regularization, l2_regularization: how strong the regularization is.
      num_loss_partitions: how many workers train at a time.
      kernels: none yet; 1.15 knows none.
      config: a `RunConfig`.
      feature_engineering_fn: takes features and labels, and gives what the model gets instead.

    Raises:
      ValueError: kernels are given.
    """

    def __init__(
        self,
        example_id_column: Any,
        feature_columns: Any,
        weight_column_name: str | None = None,
        model_dir: Any = None,
        l1_regularization: float = 0.0,
        l2_regularization: float = 0.0,
        num_loss_partitions: int = 1,
        kernels: Any = None,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
    ) -> None:
        if kernels is not None:
            raise ValueError(f"Kernel SVMs are not currently supported. Received: {kernels!r}")
        optimizer = SDCAOptimizer(
            example_id_column,
            num_loss_partitions=num_loss_partitions,
            symmetric_l1_regularization=l1_regularization,
            symmetric_l2_regularization=l2_regularization,
        )
        head = binary_svm_head(weight_column_name=weight_column_name, enable_centered_bias=False)
        self.feature_columns = tuple(feature_columns or ())
        model = dual_ascent_model(head, self.feature_columns, optimizer, weight_column_name, "hinge_loss")
        super().__init__(model, model_dir, config or RunConfig(), None, feature_engineering_fn)

    def predict_classes(
        self,
        x: Any = None,
        input_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        as_iterable: bool = True,
    ) -> Any:
        """The class of each example; arguments and errors as for `predict`."""
        return self._predict_one("classes", x, input_fn, batch_size, as_iterable)

    def export(  # type: ignore[override]
        self,
        export_dir: Any,
        signature_fn: session_bundles.SignatureFn | None = None,
        input_fn: Callable[..., Any] | None = None,
        default_batch_size: int | None = 1,
        exports_to_keep: int | None = None,
    ) -> bytes:
        """Writes a session bundle of the newest checkpoint; see `Estimator.export`.

        Without `input_fn` the feature columns tell what is parsed.
        """
        read = input_fn or session_bundles.parsing_columns(self.feature_columns)
        return session_bundles.export(
            self, export_dir, signature_fn, read, default_batch_size, exports_to_keep
        )
