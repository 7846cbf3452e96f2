"""What a run or a device reports: step statistics, costs, devices, memory, profiles."""

SCHEMA = """
file tensorflow/core/framework/allocation_description.proto
message AllocationDescription
  requested_bytes: int64 = 1
  allocated_bytes: int64 = 2
  allocator_name: string = 3
  allocation_id: int64 = 4
  has_single_reference: bool = 5
  ptr: uint64 = 6

file tensorflow/core/framework/tensor_description.proto
uses types tensor_shape allocation_description
message TensorDescription
  dtype: DataType = 1
  shape: TensorShapeProto = 2
  allocation_description: AllocationDescription = 4

file tensorflow/core/framework/step_stats.proto
uses allocation_description tensor_description
message AllocationRecord
  alloc_micros: int64 = 1
  alloc_bytes: int64 = 2
message AllocatorMemoryUsed
  allocator_name: string = 1
  total_bytes: int64 = 2
  peak_bytes: int64 = 3
  live_bytes: int64 = 4
  allocation_records: AllocationRecord[] = 6
  allocator_bytes_in_use: int64 = 5
message NodeOutput
  slot: int32 = 1
  tensor_description: TensorDescription = 3
message MemoryStats
  temp_memory_size: int64 = 1
  persistent_memory_size: int64 = 3
  persistent_tensor_alloc_ids: int64[] = 5
  device_temp_memory_size: int64 = 2 deprecated
  device_persistent_memory_size: int64 = 4 deprecated
  device_persistent_tensor_alloc_ids: int64[] = 6 deprecated
message NodeExecStats
  node_name: string = 1
  all_start_micros: int64 = 2
  op_start_rel_micros: int64 = 3
  op_end_rel_micros: int64 = 4
  all_end_rel_micros: int64 = 5
  memory: AllocatorMemoryUsed[] = 6
  output: NodeOutput[] = 7
  timeline_label: string = 8
  scheduled_micros: int64 = 9
  thread_id: uint32 = 10
  referenced_tensor: AllocationDescription[] = 11
  memory_stats: MemoryStats = 12
  all_start_nanos: int64 = 13
  op_start_rel_nanos: int64 = 14
  op_end_rel_nanos: int64 = 15
  all_end_rel_nanos: int64 = 16
  scheduled_nanos: int64 = 17
message DeviceStepStats
  device: string = 1
  node_stats: NodeExecStats[] = 2
  thread_names: map[uint32, string] = 3
message StepStats
  dev_stats: DeviceStepStats[] = 1

file tensorflow/core/framework/cost_graph.proto
uses tensor_shape types
message CostGraphDef
  node: Node[] = 1
  message Node
    name: string = 1
    device: string = 2
    id: int32 = 3
    input_info: InputInfo[] = 4
    output_info: OutputInfo[] = 5
    temporary_memory_size: int64 = 6
    persistent_memory_size: int64 = 12
    host_temp_memory_size: int64 = 10 deprecated
    device_temp_memory_size: int64 = 11 deprecated
    device_persistent_memory_size: int64 = 16 deprecated
    compute_cost: int64 = 9
    compute_time: int64 = 14
    memory_time: int64 = 15
    is_final: bool = 7
    control_input: int32[] = 8
    inaccurate: bool = 17
    message InputInfo
      preceding_node: int32 = 1
      preceding_port: int32 = 2
    message OutputInfo
      size: int64 = 1
      alias_input_port: int64 = 2
      shape: TensorShapeProto = 3
      dtype: DataType = 4

file tensorflow/core/framework/device_attributes.proto
message InterconnectLink
  device_id: int32 = 1
  type: string = 2
  strength: int32 = 3
message LocalLinks
  link: InterconnectLink[] = 1
message DeviceLocality
  bus_id: int32 = 1
  numa_node: int32 = 2
  links: LocalLinks = 3
message DeviceAttributes
  name: string = 1
  device_type: string = 2
  memory_limit: int64 = 4
  locality: DeviceLocality = 5
  incarnation: fixed64 = 6
  physical_device_desc: string = 7

file tensorflow/core/framework/log_memory.proto
uses tensor_description
message MemoryLogStep
  step_id: int64 = 1
  handle: string = 2
message MemoryLogTensorAllocation
  step_id: int64 = 1
  kernel_name: string = 2
  tensor: TensorDescription = 3
message MemoryLogTensorDeallocation
  allocation_id: int64 = 1
  allocator_name: string = 2
message MemoryLogTensorOutput
  step_id: int64 = 1
  kernel_name: string = 2
  index: int32 = 3
  tensor: TensorDescription = 4
message MemoryLogRawAllocation
  step_id: int64 = 1
  operation: string = 2
  num_bytes: int64 = 3
  ptr: uint64 = 4
  allocation_id: int64 = 5
  allocator_name: string = 6
message MemoryLogRawDeallocation
  step_id: int64 = 1
  operation: string = 2
  allocation_id: int64 = 3
  allocator_name: string = 4
  deferred: bool = 5

file tensorflow/core/profiler/tfprof_log.proto
uses attr_value step_stats
package tensorflow.tfprof
message CodeDef
  traces: Trace[] = 1
  message Trace
    file: string = 1 deprecated
    file_id: int64 = 6
    lineno: int32 = 2
    function: string = 3 deprecated
    function_id: int64 = 7
    line: string = 4 deprecated
    line_id: int64 = 8
    func_start_line: int32 = 5
message OpLogEntry
  name: string = 1
  float_ops: int64 = 2
  types: string[] = 3
  code_def: CodeDef = 4
message OpLogProto
  log_entries: OpLogEntry[] = 1
  id_to_string: map[int64, string] = 2
message ProfileProto
  nodes: map[int64, ProfileNode] = 1
  has_trace: bool = 2
  miss_accelerator_stream: bool = 5
  steps: int64[] = 3
  id_to_string: map[int64, string] = 4
message ProfileNode
  name: string = 1
  op: string = 9
  id: int64 = 13
  inputs: map[int32, int64] = 2
  input_shapes: map[int32, Tuple] = 16
  outputs: map[int32, int64] = 3
  output_shapes: map[int32, Tuple] = 15
  src_output_index: map[int64, int32] = 14
  shape: int64[] = 4
  op_types: string[] = 5
  canonical_device: string = 6
  host_device: string = 7
  float_ops: int64 = 8
  trace: CodeDef = 10
  attrs: map[string, AttrValue] = 11
  execs: map[int64, ExecProfile] = 12
message ExecProfile
  run_count: int64 = 1
  all_start_micros: int64 = 2
  latest_end_micros: int64 = 3
  accelerator_execs: map[string, ExecTime] = 4
  cpu_execs: map[string, ExecTime] = 5
  memory_execs: ExecMemory[] = 7
  allocations: AllocationRecord[] = 11
  devices: string[] = 6
message ExecTime
  times: Tuple[] = 1
message ExecMemory
  memory_micros: int64 = 1
  host_temp_bytes: int64 = 2
  host_persistent_bytes: int64 = 3
  accelerator_temp_bytes: int64 = 4
  accelerator_persistent_bytes: int64 = 5
  requested_bytes: int64 = 6
  peak_bytes: int64 = 7
  residual_bytes: int64 = 8
  output_bytes: int64 = 9
  allocator_bytes_in_use: int64 = 10
  output_memory: map[int32, Memory] = 11
message Tuple
  int64_values: int64[] = 1
message Memory
  bytes: int64 = 1
  ptr: uint64 = 2

file tensorflow/core/profiler/tfprof_options.proto
package tensorflow.tfprof
message OptionsProto
  max_depth: int64 = 1
  min_bytes: int64 = 2
  min_peak_bytes: int64 = 19
  min_residual_bytes: int64 = 20
  min_output_bytes: int64 = 21
  min_micros: int64 = 3
  min_accelerator_micros: int64 = 22
  min_cpu_micros: int64 = 23
  min_params: int64 = 4
  min_float_ops: int64 = 5
  min_occurrence: int64 = 17
  step: int64 = 18
  order_by: string = 7
  account_type_regexes: string[] = 8
  start_name_regexes: string[] = 9
  trim_name_regexes: string[] = 10
  show_name_regexes: string[] = 11
  hide_name_regexes: string[] = 12
  account_displayed_op_only: bool = 13
  select: string[] = 14
  output: string = 15
  dump_to_file: string = 16
message AdvisorOptionsProto
  checkers: map[string, CheckerOption] = 1
  message CheckerOption
    options: map[string, string] = 1

file tensorflow/core/profiler/tfprof_output.proto
uses tensor_shape types
package tensorflow.tfprof
message TFProfTensorProto
  dtype: DataType = 1
  value_double: double[] = 2
  value_int64: int64[] = 3
  value_str: string[] = 4
message GraphNodeProto
  name: string = 1
  tensor_value: TFProfTensorProto = 15
  run_count: int64 = 21
  exec_micros: int64 = 2
  accelerator_exec_micros: int64 = 17
  cpu_exec_micros: int64 = 18
  requested_bytes: int64 = 3
  peak_bytes: int64 = 24
  residual_bytes: int64 = 25
  output_bytes: int64 = 26
  parameters: int64 = 4
  float_ops: int64 = 13
  devices: string[] = 10
  total_definition_count: int64 = 23
  total_run_count: int64 = 22
  total_exec_micros: int64 = 6
  total_accelerator_exec_micros: int64 = 19
  total_cpu_exec_micros: int64 = 20
  total_requested_bytes: int64 = 7
  total_peak_bytes: int64 = 27
  total_residual_bytes: int64 = 28
  total_output_bytes: int64 = 29
  total_parameters: int64 = 8
  total_float_ops: int64 = 14
  shapes: TensorShapeProto[] = 11
  input_shapes: map[int32, TensorShapeProto] = 16
  children: GraphNodeProto[] = 12
message MultiGraphNodeProto
  name: string = 1
  exec_micros: int64 = 2
  accelerator_exec_micros: int64 = 12
  cpu_exec_micros: int64 = 13
  requested_bytes: int64 = 3
  peak_bytes: int64 = 16
  residual_bytes: int64 = 17
  output_bytes: int64 = 18
  parameters: int64 = 4
  float_ops: int64 = 5
  total_exec_micros: int64 = 6
  total_accelerator_exec_micros: int64 = 14
  total_cpu_exec_micros: int64 = 15
  total_requested_bytes: int64 = 7
  total_peak_bytes: int64 = 19
  total_residual_bytes: int64 = 20
  total_output_bytes: int64 = 21
  total_parameters: int64 = 8
  total_float_ops: int64 = 9
  graph_nodes: GraphNodeProto[] = 10
  children: MultiGraphNodeProto[] = 11
message AdviceProto
  checkers: map[string, Checker] = 1
  message Checker
    reports: string[] = 2
"""
