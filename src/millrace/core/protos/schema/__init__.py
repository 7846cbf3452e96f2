"""The messages, by topic, in a notation of one line a field.

    file tensorflow/core/framework/node_def.proto      the file's name, a fact other programs rely on
    uses attr_value                                     files it depends on, by last name
    package tensorflow.tfprof                           only where it is not `tensorflow`
    message NodeDef
      name: string = 1                                  field, type, number
      input: string[] = 3                               repeated
      attr: map[string, AttrValue] = 5
      version: int32 = 3 deprecated
      oneof value                                       its fields are indented below it
      message Nested
      enum Kind
        FIRST = 0

Everything has proto3 semantics. A type name is searched from the innermost scope outwards, as in a .proto
file.
"""

from millrace.core.protos.schema import export, forest, graph, learner, records, session, stats, trees

SCHEMAS = (
    graph.SCHEMA,
    session.SCHEMA,
    stats.SCHEMA,
    export.SCHEMA,
    records.SCHEMA,
    forest.SCHEMA,
    trees.SCHEMA,
    learner.SCHEMA,
)
