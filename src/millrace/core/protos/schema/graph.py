"""The graph itself: dtypes, shapes, tensors, nodes, functions, op signatures."""

SCHEMA = """
file tensorflow/core/framework/types.proto
enum DataType
  DT_INVALID = 0
  DT_FLOAT = 1
  DT_DOUBLE = 2
  DT_INT32 = 3
  DT_UINT8 = 4
  DT_INT16 = 5
  DT_INT8 = 6
  DT_STRING = 7
  DT_COMPLEX64 = 8
  DT_INT64 = 9
  DT_BOOL = 10
  DT_QINT8 = 11
  DT_QUINT8 = 12
  DT_QINT32 = 13
  DT_BFLOAT16 = 14
  DT_QINT16 = 15
  DT_QUINT16 = 16
  DT_UINT16 = 17
  DT_COMPLEX128 = 18
  DT_HALF = 19
  DT_RESOURCE = 20
  DT_VARIANT = 21
  DT_UINT32 = 22
  DT_UINT64 = 23
  DT_FLOAT8_E5M2 = 24
  DT_FLOAT8_E4M3FN = 25
  DT_INT4 = 29
  DT_UINT4 = 30
  DT_FLOAT_REF = 101
  DT_DOUBLE_REF = 102
  DT_INT32_REF = 103
  DT_UINT8_REF = 104
  DT_INT16_REF = 105
  DT_INT8_REF = 106
  DT_STRING_REF = 107
  DT_COMPLEX64_REF = 108
  DT_INT64_REF = 109
  DT_BOOL_REF = 110
  DT_QINT8_REF = 111
  DT_QUINT8_REF = 112
  DT_QINT32_REF = 113
  DT_BFLOAT16_REF = 114
  DT_QINT16_REF = 115
  DT_QUINT16_REF = 116
  DT_UINT16_REF = 117
  DT_COMPLEX128_REF = 118
  DT_HALF_REF = 119
  DT_RESOURCE_REF = 120
  DT_VARIANT_REF = 121
  DT_UINT32_REF = 122
  DT_UINT64_REF = 123
  DT_FLOAT8_E5M2_REF = 124
  DT_FLOAT8_E4M3FN_REF = 125
  DT_INT4_REF = 129
  DT_UINT4_REF = 130

file tensorflow/core/framework/tensor_shape.proto
message TensorShapeProto
  dim: Dim[] = 2
  unknown_rank: bool = 3
  message Dim
    size: int64 = 1
    name: string = 2

file tensorflow/core/framework/resource_handle.proto
uses tensor_shape types
message ResourceHandleProto
  device: string = 1
  container: string = 2
  name: string = 3
  hash_code: uint64 = 4
  maybe_type_name: string = 5
  dtypes_and_shapes: DtypeAndShape[] = 6
  message DtypeAndShape
    dtype: DataType = 1
    shape: TensorShapeProto = 2

file tensorflow/core/framework/tensor.proto
uses resource_handle tensor_shape types
message TensorProto
  dtype: DataType = 1
  tensor_shape: TensorShapeProto = 2
  version_number: int32 = 3
  tensor_content: bytes = 4
  half_val: int32[] = 13
  float8_val: bytes = 18
  float_val: float[] = 5
  double_val: double[] = 6
  int_val: int32[] = 7
  string_val: bytes[] = 8
  scomplex_val: float[] = 9
  int64_val: int64[] = 10
  bool_val: bool[] = 11
  dcomplex_val: double[] = 12
  resource_handle_val: ResourceHandleProto[] = 14
  variant_val: VariantTensorDataProto[] = 15
  uint32_val: uint32[] = 16
  uint64_val: uint64[] = 17
message VariantTensorDataProto
  type_name: string = 1
  metadata: bytes = 2
  tensors: TensorProto[] = 3

file tensorflow/core/framework/tensor_slice.proto
message TensorSliceProto
  extent: Extent[] = 1
  message Extent
    start: int64 = 1
    oneof has_length
      length: int64 = 2

file tensorflow/core/framework/attr_value.proto
uses tensor tensor_shape types
message AttrValue
  oneof value
    s: bytes = 2
    i: int64 = 3
    f: float = 4
    b: bool = 5
    type: DataType = 6
    shape: TensorShapeProto = 7
    tensor: TensorProto = 8
    list: ListValue = 1
    func: NameAttrList = 10
    placeholder: string = 9
  message ListValue
    s: bytes[] = 2
    i: int64[] = 3
    f: float[] = 4
    b: bool[] = 5
    type: DataType[] = 6
    shape: TensorShapeProto[] = 7
    tensor: TensorProto[] = 8
    func: NameAttrList[] = 9
message NameAttrList
  name: string = 1
  attr: map[string, AttrValue] = 2

file tensorflow/core/framework/node_def.proto
uses attr_value
message NodeDef
  name: string = 1
  op: string = 2
  input: string[] = 3
  device: string = 4
  attr: map[string, AttrValue] = 5
  experimental_debug_info: ExperimentalDebugInfo = 6
  message ExperimentalDebugInfo
    original_node_names: string[] = 1
    original_func_names: string[] = 2

file tensorflow/core/framework/versions.proto
message VersionDef
  producer: int32 = 1
  min_consumer: int32 = 2
  bad_consumers: int32[] = 3

file tensorflow/core/framework/op_def.proto
uses attr_value types
message OpDef
  name: string = 1
  input_arg: ArgDef[] = 2
  output_arg: ArgDef[] = 3
  control_output: string[] = 20
  attr: AttrDef[] = 4
  deprecation: OpDeprecation = 8
  summary: string = 5
  description: string = 6
  is_commutative: bool = 18
  is_aggregate: bool = 16
  is_stateful: bool = 17
  allows_uninitialized_input: bool = 19
  message ArgDef
    name: string = 1
    description: string = 2
    type: DataType = 3
    type_attr: string = 4
    number_attr: string = 5
    type_list_attr: string = 6
    is_ref: bool = 16
  message AttrDef
    name: string = 1
    type: string = 2
    default_value: AttrValue = 3
    description: string = 4
    has_minimum: bool = 5
    minimum: int64 = 6
    allowed_values: AttrValue = 7
message OpDeprecation
  version: int32 = 1
  explanation: string = 2
message OpList
  op: OpDef[] = 1

file tensorflow/core/framework/function.proto
uses attr_value node_def op_def
message FunctionDefLibrary
  function: FunctionDef[] = 1
  gradient: GradientDef[] = 2
message FunctionDef
  signature: OpDef = 1
  attr: map[string, AttrValue] = 5
  arg_attr: map[uint32, ArgAttrs] = 7
  node_def: NodeDef[] = 3
  ret: map[string, string] = 4
  control_ret: map[string, string] = 6
  message ArgAttrs
    attr: map[string, AttrValue] = 1
message GradientDef
  function_name: string = 1
  gradient_func: string = 2

file tensorflow/core/framework/graph.proto
uses node_def function versions
message GraphDef
  node: NodeDef[] = 1
  versions: VersionDef = 4
  version: int32 = 3 deprecated
  library: FunctionDefLibrary = 2

file tensorflow/core/framework/variable.proto
enum VariableSynchronization
  VARIABLE_SYNCHRONIZATION_AUTO = 0
  VARIABLE_SYNCHRONIZATION_NONE = 1
  VARIABLE_SYNCHRONIZATION_ON_WRITE = 2
  VARIABLE_SYNCHRONIZATION_ON_READ = 3
enum VariableAggregation
  VARIABLE_AGGREGATION_NONE = 0
  VARIABLE_AGGREGATION_SUM = 1
  VARIABLE_AGGREGATION_MEAN = 2
  VARIABLE_AGGREGATION_ONLY_FIRST_REPLICA = 3
message VariableDef
  variable_name: string = 1
  initial_value_name: string = 6
  initializer_name: string = 2
  snapshot_name: string = 3
  save_slice_info_def: SaveSliceInfoDef = 4
  is_resource: bool = 5
  trainable: bool = 7
  synchronization: VariableSynchronization = 8
  aggregation: VariableAggregation = 9
message SaveSliceInfoDef
  full_name: string = 1
  full_shape: int64[] = 2
  var_offset: int64[] = 3
  var_shape: int64[] = 4

file tensorflow/core/framework/kernel_def.proto
uses attr_value
message KernelDef
  op: string = 1
  device_type: string = 2
  constraint: AttrConstraint[] = 3
  host_memory_arg: string[] = 4
  label: string = 5
  priority: int32 = 6
  message AttrConstraint
    name: string = 1
    allowed_values: AttrValue = 2
message KernelList
  kernel: KernelDef[] = 1

file tensorflow/core/framework/reader_base.proto
message ReaderBaseState
  work_started: int64 = 1
  work_finished: int64 = 2
  num_records_produced: int64 = 3
  current_work: bytes = 4
"""
