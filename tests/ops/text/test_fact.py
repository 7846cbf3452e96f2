"""`tf.user_ops.my_fact`."""

import millrace as tf


def test_the_fact():
    with tf.Graph().as_default(), tf.Session() as session:
        fact = tf.user_ops.my_fact()
        assert (fact.op.name, session.run(fact)) == ("Fact", b"0! == 1")
