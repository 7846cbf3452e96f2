"""Sequence to sequence with tf.contrib.seq2seq: a training step with attention, and a beam search.

python benchmarks/sequences.py [MODULE [NAME ...]]
"""

import sys

import measure
import numpy as np

RNG = np.random.RandomState(0)
WORDS, DEPTH, UNITS = 2000, 64, 128


def encoded(tf, batch, length):
    """(what is fed, words, outputs of an encoder, its last state)."""
    words = tf.placeholder(tf.int32, [batch, length])
    table = tf.get_variable("words", [WORDS, DEPTH])
    cell = tf.nn.rnn_cell.GRUCell(UNITS, name="encoder")
    outputs, state = tf.nn.dynamic_rnn(cell, tf.nn.embedding_lookup(table, words), dtype=tf.float32)
    return {words: RNG.randint(2, WORDS, [batch, length])}, table, outputs, state


def attentive(tf, memory, lengths=None):
    """A cell with additive attention to a memory."""
    mechanism = tf.contrib.seq2seq.BahdanauAttention(UNITS, memory, lengths)
    cell = tf.nn.rnn_cell.GRUCell(UNITS, name="decoder")
    return tf.contrib.seq2seq.AttentionWrapper(cell, mechanism, attention_layer_size=UNITS)


def attention_training(tf, batch=32, length=20):
    """Adam on a GRU decoder with additive attention: 2000 words, 128 units, 20 steps, batches of 32."""
    feeds, table, memory, state = encoded(tf, batch, length)
    target = tf.placeholder(tf.int32, [batch, length])
    feeds[target] = RNG.randint(2, WORDS, [batch, length])
    cell = attentive(tf, memory)
    start = cell.zero_state(batch, tf.float32).clone(cell_state=state)
    reader = tf.contrib.seq2seq.TrainingHelper(tf.nn.embedding_lookup(table, target), [length] * batch)
    decoder = tf.contrib.seq2seq.BasicDecoder(cell, reader, start, tf.layers.Dense(WORDS))
    outputs, _, _ = tf.contrib.seq2seq.dynamic_decode(decoder)
    loss = tf.contrib.seq2seq.sequence_loss(outputs.rnn_output, target, tf.ones([batch, length]))
    step = tf.train.AdamOptimizer(1e-3).minimize(loss)
    measure.first_and_warm("attention_training", tf, [step, loss], feeds, (1.0, 20), 3.0)


def beam_search(tf, batch=8, length=20, width=5):
    """A beam of 5 over 20 steps for a batch of 8, with the same model."""
    feeds, table, memory, state = encoded(tf, batch, length)
    cell = attentive(tf, tf.contrib.seq2seq.tile_batch(memory, width))
    start = cell.zero_state(batch * width, tf.float32)
    start = start.clone(cell_state=tf.contrib.seq2seq.tile_batch(state, width))
    decoder = tf.contrib.seq2seq.BeamSearchDecoder(
        cell, table, [1] * batch, 0, start, width, tf.layers.Dense(WORDS), length_penalty_weight=0.6
    )
    outputs, _, _ = tf.contrib.seq2seq.dynamic_decode(decoder, maximum_iterations=length)
    measure.first_and_warm("beam_search", tf, outputs.predicted_ids, feeds, (1.0, 20), 3.0)


PROGRAMS = {program.__name__: program for program in (attention_training, beam_search)}

if __name__ == "__main__":
    tf, _ = measure.load()
    for name in sys.argv[2:] or PROGRAMS:
        with tf.Graph().as_default():
            PROGRAMS[name](tf)
