"""`tf.contrib.labeled_tensor.nn`: activations and losses of labeled tensors."""

from __future__ import annotations

from millrace.contributed.labeled_tensor.elementwise import define_binary_op, define_unary_op
from millrace.core.public import public
from millrace.lib.nn import cross_entropy
from millrace.ops.nn import activation
from millrace.ops.nn import softmax as softmax_ops

relu = public("contrib.labeled_tensor.nn.relu")(define_unary_op("relu", activation.relu))
relu6 = public("contrib.labeled_tensor.nn.relu6")(define_unary_op("relu6", activation.relu6))
elu = public("contrib.labeled_tensor.nn.elu")(define_unary_op("elu", activation.elu))
softplus = public("contrib.labeled_tensor.nn.softplus")(define_unary_op("softplus", activation.softplus))
softmax = public("contrib.labeled_tensor.nn.softmax")(define_unary_op("softmax", softmax_ops.softmax))
log_softmax = public("contrib.labeled_tensor.nn.log_softmax")(
    define_unary_op("log_softmax", softmax_ops.log_softmax)
)
sigmoid_cross_entropy_with_logits = public("contrib.labeled_tensor.nn.sigmoid_cross_entropy_with_logits")(
    define_binary_op(
        "sigmoid_cross_entropy_with_logits",
        lambda logits, labels: cross_entropy.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits),
    )
)
