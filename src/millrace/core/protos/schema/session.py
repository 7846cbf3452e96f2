"""Sessions, servers and their options."""

SCHEMA = """
file tensorflow/core/lib/core/error_codes.proto
package tensorflow.error
enum Code
  OK = 0
  CANCELLED = 1
  UNKNOWN = 2
  INVALID_ARGUMENT = 3
  DEADLINE_EXCEEDED = 4
  NOT_FOUND = 5
  ALREADY_EXISTS = 6
  PERMISSION_DENIED = 7
  UNAUTHENTICATED = 16
  RESOURCE_EXHAUSTED = 8
  FAILED_PRECONDITION = 9
  ABORTED = 10
  OUT_OF_RANGE = 11
  UNIMPLEMENTED = 12
  INTERNAL = 13
  UNAVAILABLE = 14
  DATA_LOSS = 15
  DO_NOT_USE_RESERVED_FOR_FUTURE_EXPANSION_USE_DEFAULT_IN_SWITCH_INSTEAD_ = 20

file tensorflow/core/protobuf/cluster.proto
message JobDef
  name: string = 1
  tasks: map[int32, string] = 2
message ClusterDef
  job: JobDef[] = 1

file tensorflow/core/protobuf/debug.proto
message DebugTensorWatch
  node_name: string = 1
  output_slot: int32 = 2
  debug_ops: string[] = 3
  debug_urls: string[] = 4
  tolerate_debug_op_creation_failures: bool = 5
message DebugOptions
  debug_tensor_watch_opts: DebugTensorWatch[] = 4
  global_step: int64 = 10
  reset_disk_byte_usage: bool = 11
message DebuggedSourceFile
  host: string = 1
  file_path: string = 2
  last_modified: int64 = 3
  bytes: int64 = 4
  lines: string[] = 5
message DebuggedSourceFiles
  source_files: DebuggedSourceFile[] = 1

file tensorflow/core/protobuf/verifier_config.proto
message VerifierConfig
  verification_timeout_in_ms: int64 = 1
  structure_verifier: Toggle = 2
  enum Toggle
    DEFAULT = 0
    ON = 1
    OFF = 2

file tensorflow/core/protobuf/rewriter_config.proto
uses attr_value verifier_config
message AutoParallelOptions
  enable: bool = 1
  num_replicas: int32 = 2
message ScopedAllocatorOptions
  enable_op: string[] = 1
message RewriterConfig
  layout_optimizer: Toggle = 1
  constant_folding: Toggle = 3
  shape_optimization: Toggle = 13
  remapping: Toggle = 14
  arithmetic_optimization: Toggle = 7
  dependency_optimization: Toggle = 8
  loop_optimization: Toggle = 9
  function_optimization: Toggle = 10
  debug_stripper: Toggle = 11
  disable_model_pruning: bool = 2
  scoped_allocator_optimization: Toggle = 15
  pin_to_host_optimization: Toggle = 18
  implementation_selector: Toggle = 22
  auto_mixed_precision: Toggle = 23
  disable_meta_optimizer: bool = 19
  meta_optimizer_iterations: NumIterationsType = 12
  min_graph_nodes: int32 = 17
  memory_optimization: MemOptType = 4
  memory_optimizer_target_node_name_scope: string = 6
  meta_optimizer_timeout_ms: int64 = 20
  auto_parallel: AutoParallelOptions = 5
  fail_on_optimizer_errors: bool = 21
  scoped_allocator_opts: ScopedAllocatorOptions = 16
  optimizers: string[] = 100
  custom_optimizers: CustomGraphOptimizer[] = 200
  inter_optimizer_verifier_config: VerifierConfig = 300
  post_optimization_verifier_config: VerifierConfig = 301
  enum Toggle
    DEFAULT = 0
    ON = 1
    OFF = 2
    AGGRESSIVE = 3
  enum NumIterationsType
    DEFAULT_NUM_ITERS = 0
    ONE = 1
    TWO = 2
  enum MemOptType
    DEFAULT_MEM_OPT = 0
    NO_MEM_OPT = 1
    MANUAL = 2
    SWAPPING_HEURISTICS = 4
    RECOMPUTATION_HEURISTICS = 5
    SCHEDULING_HEURISTICS = 6
    HEURISTICS = 3
  message CustomGraphOptimizer
    name: string = 1
    parameter_map: map[string, AttrValue] = 2

file tensorflow/core/protobuf/config.proto
uses cost_graph graph step_stats cluster debug rewriter_config
message GPUOptions
  per_process_gpu_memory_fraction: double = 1
  allow_growth: bool = 4
  allocator_type: string = 2
  deferred_deletion_bytes: int64 = 3
  visible_device_list: string = 5
  polling_active_delay_usecs: int32 = 6
  polling_inactive_delay_msecs: int32 = 7
  force_gpu_compatible: bool = 8
  experimental: Experimental = 9
  message Experimental
    virtual_devices: VirtualDevices[] = 1
    use_unified_memory: bool = 2
    num_dev_to_dev_copy_streams: int32 = 3
    collective_ring_order: string = 4
    timestamped_allocator: bool = 5
    kernel_tracker_max_interval: int32 = 7
    kernel_tracker_max_bytes: int32 = 8
    kernel_tracker_max_pending: int32 = 9
    message VirtualDevices
      memory_limit_mb: float[] = 1
message OptimizerOptions
  do_common_subexpression_elimination: bool = 1
  do_constant_folding: bool = 2
  max_folded_constant_in_bytes: int64 = 6
  do_function_inlining: bool = 4
  opt_level: Level = 3
  global_jit_level: GlobalJitLevel = 5
  enum Level
    L1 = 0
    L0 = -1
  enum GlobalJitLevel
    DEFAULT = 0
    OFF = -1
    ON_1 = 1
    ON_2 = 2
message GraphOptions
  enable_recv_scheduling: bool = 2
  optimizer_options: OptimizerOptions = 3
  build_cost_model: int64 = 4
  build_cost_model_after: int64 = 9
  infer_shapes: bool = 5
  place_pruned_graph: bool = 6
  enable_bfloat16_sendrecv: bool = 7
  timeline_step: int32 = 8
  rewrite_options: RewriterConfig = 10
message ThreadPoolOptionProto
  num_threads: int32 = 1
  global_name: string = 2
message RPCOptions
  use_rpc_for_inprocess_master: bool = 1
  compression_algorithm: string = 2
  compression_level: int32 = 3
  cache_rpc_response: bool = 4
  disable_session_connection_sharing: bool = 5
message SessionMetadata
  name: string = 1
  version: int64 = 2
message ConfigProto
  device_count: map[string, int32] = 1
  intra_op_parallelism_threads: int32 = 2
  inter_op_parallelism_threads: int32 = 5
  use_per_session_threads: bool = 9
  session_inter_op_thread_pool: ThreadPoolOptionProto[] = 12
  placement_period: int32 = 3
  device_filters: string[] = 4
  gpu_options: GPUOptions = 6
  allow_soft_placement: bool = 7
  log_device_placement: bool = 8
  graph_options: GraphOptions = 10
  operation_timeout_in_ms: int64 = 11
  rpc_options: RPCOptions = 13
  cluster_def: ClusterDef = 14
  isolate_session_state: bool = 15
  experimental: Experimental = 16
  message Experimental
    collective_group_leader: string = 1
    executor_type: string = 3
    recv_buf_max_chunk: int32 = 4
    use_numa_affinity: bool = 5
    collective_deterministic_sequential_execution: bool = 6
    collective_nccl: bool = 7
    share_session_state_in_clusterspec_propagation: bool = 8
    disable_thread_spinning: bool = 9
    share_cluster_devices_in_session: bool = 10
    session_metadata: SessionMetadata = 11
    optimize_for_static_graph: bool = 12
message RunOptions
  trace_level: TraceLevel = 1
  timeout_in_ms: int64 = 2
  inter_op_thread_pool: int32 = 3
  output_partition_graphs: bool = 5
  debug_options: DebugOptions = 6
  report_tensor_allocations_upon_oom: bool = 7
  experimental: Experimental = 8
  enum TraceLevel
    NO_TRACE = 0
    SOFTWARE_TRACE = 1
    HARDWARE_TRACE = 2
    FULL_TRACE = 3
  message Experimental
    collective_graph_key: int64 = 1
    use_run_handler_pool: bool = 2
message RunMetadata
  step_stats: StepStats = 1
  cost_graph: CostGraphDef = 2
  partition_graphs: GraphDef[] = 3
  function_graphs: FunctionGraphs[] = 4
  message FunctionGraphs
    partition_graphs: GraphDef[] = 1
    pre_optimization_graph: GraphDef = 2
    post_optimization_graph: GraphDef = 3
message TensorConnection
  from_tensor: string = 1
  to_tensor: string = 2
message CallableOptions
  feed: string[] = 1
  fetch: string[] = 2
  target: string[] = 3
  run_options: RunOptions = 4
  tensor_connection: TensorConnection[] = 5
  feed_devices: map[string, string] = 6
  fetch_devices: map[string, string] = 7
  fetch_skip_sync: bool = 8

file tensorflow/core/protobuf/tensorflow_server.proto
uses config cluster
message ServerDef
  cluster: ClusterDef = 1
  job_name: string = 2
  task_index: int32 = 3
  default_session_config: ConfigProto = 4
  protocol: string = 5

file tensorflow/core/protobuf/named_tensor.proto
uses tensor
message NamedTensorProto
  name: string = 1
  tensor: TensorProto = 2

file tensorflow/core/protobuf/tpu/topology.proto
package tensorflow.tpu
message TopologyProto
  mesh_shape: int32[] = 1
  num_tasks: int32 = 2
  num_tpu_devices_per_task: int32 = 3
  device_coordinates: int32[] = 4
"""
