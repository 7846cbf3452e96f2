"""The file that TensorBoard's embedding projector reads."""

from millrace.contrib.tensorboard.plugins import projector

import millrace as tf


def test_the_file_beside_the_summaries(tmp_path):
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "words"
    embedding.metadata_path = "words.tsv"
    embedding.sprite.image_path = "words.png"
    embedding.sprite.single_image_dim.extend([28, 28])
    with tf.summary.FileWriter(str(tmp_path)) as writer:
        projector.visualize_embeddings(writer, config)
    assert (tmp_path / "projector_config.pbtxt").read_text() == (
        'embeddings {\n  tensor_name: "words"\n  metadata_path: "words.tsv"\n  sprite {\n'
        '    image_path: "words.png"\n    single_image_dim: 28\n    single_image_dim: 28\n  }\n}\n'
    )
    assert tf.contrib.tensorboard.plugins.projector.EmbeddingInfo is type(embedding)
