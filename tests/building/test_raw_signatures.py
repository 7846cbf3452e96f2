"""`tf.raw_ops`: signatures of 1.15.5, and the early types of queues, readers and stacks."""

import inspect

import pytest

import millrace as tf

SIGNATURES = {
    "MutableDenseHashTable": "(empty_key, value_dtype, container='', shared_name='', "
    "use_node_name_sharing=False, value_shape=[], initial_num_buckets=131072, max_load_factor=0.8, "
    "name=None)",
    "MutableHashTableOfTensorsV2": "(key_dtype, value_dtype, container='', shared_name='', "
    "use_node_name_sharing=False, value_shape=[], name=None)",
    "PriorityQueueV2": "(shapes, component_types=[], capacity=-1, container='', shared_name='', name=None)",
    "RandomShuffleQueueV2": "(component_types, shapes=[], capacity=-1, min_after_dequeue=0, seed=0, seed2=0, "
    "container='', shared_name='', name=None)",
    "QuantizedConv2DAndRelu": "(input, filter, min_input, max_input, min_filter, max_filter, strides, "
    "padding, out_type=tf.qint32, dilations=[1, 1, 1, 1], padding_list=[], name=None)",
    "Batch": "(in_tensors, num_batch_threads, max_batch_size, batch_timeout_micros, grad_timeout_micros, "
    "max_enqueued_batches=10, allowed_batch_sizes=[], container='', shared_name='', batching_queue='', "
    "name=None)",
    "RaggedTensorFromVariant": "(encoded_ragged, input_ragged_rank, output_ragged_rank, Tvalues, Tsplits, "
    "name=None)",
    "QueueDequeueMany": "(handle, n, component_types, timeout_ms=-1, name=None)",
    "Stack": "(elem_type, stack_name='', name=None)",
    "FixedLengthRecordReader": "(record_bytes, header_bytes=0, footer_bytes=0, hop_bytes=0, container='', "
    "shared_name='', name=None)",
}


@pytest.mark.parametrize("op_type", SIGNATURES)
def test_signatures(op_type):
    assert str(inspect.signature(getattr(tf.raw_ops, op_type))) == SIGNATURES[op_type]
    assert op_type in dir(tf.raw_ops)


def test_early_types_are_drawn_as_their_successors():
    raw = tf.raw_ops
    queue = raw.FIFOQueue(component_types=[tf.int32], shapes=[[]])
    enqueue = raw.QueueEnqueueMany(handle=queue, components=[[1, 2, 3]])
    taken = raw.QueueDequeueMany(handle=queue, n=2, component_types=[tf.int32])
    size = raw.QueueSize(handle=queue)
    stack = raw.Stack(elem_type=tf.float32)
    with tf.control_dependencies([raw.StackPush(handle=stack, elem=2.0)]):
        popped = raw.StackPop(handle=stack, elem_type=tf.float32)
    assert queue.op.type == "FIFOQueueV2" and stack.op.type == "StackV2"
    with tf.Session() as sess:
        sess.run(enqueue)
        assert sess.run(taken)[0].tolist() == [1, 2] and sess.run(size) == 1
        assert sess.run(popped) == 2
    with pytest.raises(TypeError, match="keyword"):
        raw.QueueSize(queue)
    with pytest.raises(TypeError, match="max_size"):
        raw.Stack(elem_type=tf.float32, max_size=3)


def test_switches_that_change_nothing():
    tf.experimental.output_all_intermediates(True)
    with tf.compat.v2.experimental.function_executor_type("SINGLE_THREADED_EXECUTOR"):
        assert tf.constant(1).op.type == "Const"
