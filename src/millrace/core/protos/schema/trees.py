"""Messages of boosted trees."""

SCHEMA = """
file tensorflow/core/kernels/boosted_trees/boosted_trees.proto
package tensorflow.boosted_trees

message Node
  oneof node
    leaf: Leaf = 1
    bucketized_split: BucketizedSplit = 2
    categorical_split: CategoricalSplit = 3
    dense_split: DenseSplit = 4
  metadata: NodeMetadata = 777

message NodeMetadata
  gain: float = 1
  original_leaf: Leaf = 2

message Leaf
  oneof leaf
    vector: Vector = 1
    sparse_vector: SparseVector = 2
  scalar: float = 3

message Vector
  value: float[] = 1

message SparseVector
  index: int32[] = 1
  value: float[] = 2

message BucketizedSplit
  feature_id: int32 = 1
  threshold: int32 = 2
  dimension_id: int32 = 5
  default_direction: DefaultDirection = 6
  left_id: int32 = 3
  right_id: int32 = 4

enum DefaultDirection
  DEFAULT_LEFT = 0
  DEFAULT_RIGHT = 1

enum SplitTypeWithDefault
  INEQUALITY_DEFAULT_LEFT = 0
  INEQUALITY_DEFAULT_RIGHT = 1
  EQUALITY_DEFAULT_RIGHT = 3

message CategoricalSplit
  feature_id: int32 = 1
  value: int32 = 2
  dimension_id: int32 = 5
  left_id: int32 = 3
  right_id: int32 = 4

message DenseSplit
  feature_id: int32 = 1
  threshold: float = 2
  left_id: int32 = 3
  right_id: int32 = 4

message Tree
  nodes: Node[] = 1

message TreeMetadata
  num_layers_grown: int32 = 2
  is_finalized: bool = 3
  post_pruned_nodes_meta: PostPruneNodeUpdate[] = 4
  message PostPruneNodeUpdate
    new_node_id: int32 = 1
    logit_change: float[] = 2

message GrowingMetadata
  num_trees_attempted: int64 = 1
  num_layers_attempted: int64 = 2
  last_layer_node_start: int32 = 3
  last_layer_node_end: int32 = 4

message TreeEnsemble
  trees: Tree[] = 1
  tree_weights: float[] = 2
  tree_metadata: TreeMetadata[] = 3
  growing_metadata: GrowingMetadata = 4

message DebugOutput
  feature_ids: int32[] = 1
  logits_path: float[] = 2
"""
