"""What is written to be loaded again: checkpoints, meta graphs, saved models."""

SCHEMA = """
file tensorflow/core/protobuf/saver.proto
message SaverDef
  filename_tensor_name: string = 1
  save_tensor_name: string = 2
  restore_op_name: string = 3
  max_to_keep: int32 = 4
  sharded: bool = 5
  keep_checkpoint_every_n_hours: float = 6
  version: CheckpointFormatVersion = 7
  enum CheckpointFormatVersion
    LEGACY = 0
    V1 = 1
    V2 = 2

file tensorflow/core/protobuf/control_flow.proto
message ValuesDef
  values: string[] = 1
  external_values: map[string, string] = 2
message ControlFlowContextDef
  oneof ctxt
    cond_ctxt: CondContextDef = 1
    while_ctxt: WhileContextDef = 2
message CondContextDef
  context_name: string = 1
  pred_name: string = 2
  pivot_name: string = 3
  branch: int32 = 4
  values_def: ValuesDef = 5
  nested_contexts: ControlFlowContextDef[] = 6
message WhileContextDef
  context_name: string = 1
  parallel_iterations: int32 = 2
  back_prop: bool = 3
  swap_memory: bool = 4
  pivot_name: string = 5
  pivot_for_pred_name: string = 6
  pivot_for_body_name: string = 7
  loop_exit_names: string[] = 8
  loop_enter_names: string[] = 10
  values_def: ValuesDef = 9
  maximum_iterations_name: string = 11
  nested_contexts: ControlFlowContextDef[] = 12

file tensorflow/core/protobuf/queue_runner.proto
uses error_codes
message QueueRunnerDef
  queue_name: string = 1
  enqueue_op_name: string[] = 2
  close_op_name: string = 3
  cancel_op_name: string = 4
  queue_closed_exception_types: error.Code[] = 5

file tensorflow/core/protobuf/struct.proto
uses tensor_shape types
message StructuredValue
  oneof kind
    none_value: NoneValue = 1
    float64_value: double = 11
    int64_value: sint64 = 12
    string_value: string = 13
    bool_value: bool = 14
    tensor_shape_value: TensorShapeProto = 31
    tensor_dtype_value: DataType = 32
    tensor_spec_value: TensorSpecProto = 33
    type_spec_value: TypeSpecProto = 34
    list_value: ListValue = 51
    tuple_value: TupleValue = 52
    dict_value: DictValue = 53
    named_tuple_value: NamedTupleValue = 54
message NoneValue
message ListValue
  values: StructuredValue[] = 1
message TupleValue
  values: StructuredValue[] = 1
message DictValue
  fields: map[string, StructuredValue] = 1
message PairValue
  key: string = 1
  value: StructuredValue = 2
message NamedTupleValue
  name: string = 1
  values: PairValue[] = 2
message TensorSpecProto
  name: string = 1
  shape: TensorShapeProto = 2
  dtype: DataType = 3
message TypeSpecProto
  type_spec_class: TypeSpecClass = 1
  type_state: StructuredValue = 2
  type_spec_class_name: string = 3
  enum TypeSpecClass
    UNKNOWN = 0
    SPARSE_TENSOR_SPEC = 1
    INDEXED_SLICES_SPEC = 2
    RAGGED_TENSOR_SPEC = 3
    TENSOR_ARRAY_SPEC = 4
    DATA_DATASET_SPEC = 5
    DATA_ITERATOR_SPEC = 6
    OPTIONAL_SPEC = 7
    PER_REPLICA_SPEC = 8

file tensorflow/core/protobuf/trackable_object_graph.proto
message TrackableObjectGraph
  nodes: TrackableObject[] = 1
  message TrackableObject
    children: ObjectReference[] = 1
    attributes: SerializedTensor[] = 2
    slot_variables: SlotVariableReference[] = 3
    message ObjectReference
      node_id: int32 = 1
      local_name: string = 2
    message SerializedTensor
      name: string = 1
      full_name: string = 2
      checkpoint_key: string = 3
      optional_restore: bool = 4
    message SlotVariableReference
      original_variable_node_id: int32 = 1
      slot_name: string = 2
      slot_variable_node_id: int32 = 3

file tensorflow/core/protobuf/saved_object_graph.proto
uses trackable_object_graph struct tensor_shape types versions variable
message SavedObjectGraph
  nodes: SavedObject[] = 1
  concrete_functions: map[string, SavedConcreteFunction] = 2
message SavedObject
  children: TrackableObjectGraph.TrackableObject.ObjectReference[] = 1
  slot_variables: TrackableObjectGraph.TrackableObject.SlotVariableReference[] = 3
  oneof kind
    user_object: SavedUserObject = 4
    asset: SavedAsset = 5
    function: SavedFunction = 6
    variable: SavedVariable = 7
    bare_concrete_function: SavedBareConcreteFunction = 8
    constant: SavedConstant = 9
    resource: SavedResource = 10
  saveable_objects: map[string, SaveableObject] = 11
message SaveableObject
  save_function: int32 = 2
  restore_function: int32 = 3
message SavedUserObject
  identifier: string = 1
  version: VersionDef = 2
  metadata: string = 3
message SavedAsset
  asset_file_def_index: int32 = 1
message SavedFunction
  concrete_functions: string[] = 1
  function_spec: FunctionSpec = 2
message SavedConcreteFunction
  bound_inputs: int32[] = 2
  canonicalized_input_signature: StructuredValue = 3
  output_signature: StructuredValue = 4
message SavedBareConcreteFunction
  concrete_function_name: string = 1
  argument_keywords: string[] = 2
  allowed_positional_arguments: int64 = 3
message SavedConstant
  operation: string = 1
message SavedVariable
  dtype: DataType = 1
  shape: TensorShapeProto = 2
  trainable: bool = 3
  synchronization: VariableSynchronization = 4
  aggregation: VariableAggregation = 5
  name: string = 6
message FunctionSpec
  fullargspec: StructuredValue = 1
  is_method: bool = 2
  input_signature: StructuredValue = 5
message SavedResource
  device: string = 1

file tensorflow/core/protobuf/meta_graph.proto
uses any graph op_def tensor_shape types saved_object_graph saver struct
message MetaGraphDef
  meta_info_def: MetaInfoDef = 1
  graph_def: GraphDef = 2
  saver_def: SaverDef = 3
  collection_def: map[string, CollectionDef] = 4
  signature_def: map[string, SignatureDef] = 5
  asset_file_def: AssetFileDef[] = 6
  object_graph_def: SavedObjectGraph = 7
  message MetaInfoDef
    meta_graph_version: string = 1
    stripped_op_list: OpList = 2
    any_info: google.protobuf.Any = 3
    tags: string[] = 4
    tensorflow_version: string = 5
    tensorflow_git_version: string = 6
    stripped_default_attrs: bool = 7
message CollectionDef
  oneof kind
    node_list: NodeList = 1
    bytes_list: BytesList = 2
    int64_list: Int64List = 3
    float_list: FloatList = 4
    any_list: AnyList = 5
  message NodeList
    value: string[] = 1
  message BytesList
    value: bytes[] = 1
  message Int64List
    value: int64[] = 1
  message FloatList
    value: float[] = 1
  message AnyList
    value: google.protobuf.Any[] = 1
message TensorInfo
  oneof encoding
    name: string = 1
    coo_sparse: CooSparse = 4
    composite_tensor: CompositeTensor = 5
  dtype: DataType = 2
  tensor_shape: TensorShapeProto = 3
  message CooSparse
    values_tensor_name: string = 1
    indices_tensor_name: string = 2
    dense_shape_tensor_name: string = 3
  message CompositeTensor
    type_spec: TypeSpecProto = 1
    components: TensorInfo[] = 2
message SignatureDef
  inputs: map[string, TensorInfo] = 1
  outputs: map[string, TensorInfo] = 2
  method_name: string = 3
message AssetFileDef
  tensor_info: TensorInfo = 1
  filename: string = 2

file tensorflow/core/protobuf/saved_model.proto
uses meta_graph
message SavedModel
  saved_model_schema_version: int64 = 1
  meta_graphs: MetaGraphDef[] = 2

file tensorflow/core/protobuf/tensor_bundle.proto
uses tensor_shape tensor_slice types versions
message BundleHeaderProto
  num_shards: int32 = 1
  endianness: Endianness = 2
  version: VersionDef = 3
  enum Endianness
    LITTLE = 0
    BIG = 1
message BundleEntryProto
  dtype: DataType = 1
  shape: TensorShapeProto = 2
  shard_id: int32 = 3
  offset: int64 = 4
  size: int64 = 5
  crc32c: fixed32 = 6
  slices: TensorSliceProto[] = 7

file tensorflow/core/util/saved_tensor_slice.proto
uses tensor_shape tensor_slice tensor types versions
message SavedSliceMeta
  name: string = 1
  shape: TensorShapeProto = 2
  type: DataType = 3
  slice: TensorSliceProto[] = 4
message SavedTensorSliceMeta
  tensor: SavedSliceMeta[] = 1
  versions: VersionDef = 2
message SavedSlice
  name: string = 1
  slice: TensorSliceProto = 2
  data: TensorProto = 3
message SavedTensorSlices
  meta: SavedTensorSliceMeta = 1
  data: SavedSlice = 2

file tensorflow/python/training/checkpoint_state.proto
message CheckpointState
  model_checkpoint_path: string = 1
  all_model_checkpoint_paths: string[] = 2
  all_model_checkpoint_timestamps: double[] = 3
  last_preserved_timestamp: double = 4

file tensorflow/contrib/tensorboard/plugins/projector/projector_config.proto
message SpriteMetadata
  image_path: string = 1
  single_image_dim: uint32[] = 2
message EmbeddingInfo
  tensor_name: string = 1
  metadata_path: string = 2
  bookmarks_path: string = 3
  tensor_shape: uint32[] = 4
  sprite: SpriteMetadata = 5
  tensor_path: string = 6
message ProjectorConfig
  model_checkpoint_path: string = 1
  embeddings: EmbeddingInfo[] = 2
  model_checkpoint_dir: string = 3

file tensorflow/contrib/session_bundle/manifest.proto
package tensorflow.serving
message Signatures
  default_signature: Signature = 1
  named_signatures: map[string, Signature] = 2
message Signature
  oneof type
    regression_signature: RegressionSignature = 1
    classification_signature: ClassificationSignature = 2
    generic_signature: GenericSignature = 3
message RegressionSignature
  input: TensorBinding = 1
  output: TensorBinding = 2
message ClassificationSignature
  input: TensorBinding = 1
  classes: TensorBinding = 2
  scores: TensorBinding = 3
message GenericSignature
  map: map[string, TensorBinding] = 1
message TensorBinding
  tensor_name: string = 1
message AssetFile
  tensor_binding: TensorBinding = 1
  filename: string = 2
"""
