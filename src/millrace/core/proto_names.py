"""The protocol messages that TensorFlow offers under public names; imported when the first of them is asked
for.
"""

from __future__ import annotations

from millrace.core import protos
from millrace.core.public import public

AttrValue = public("AttrValue")(protos.AttrValue)
ConfigProto = public("ConfigProto")(protos.ConfigProto)
Event = public("Event", "summary.Event")(protos.Event)
GPUOptions = public("GPUOptions")(protos.GPUOptions)
GraphDef = public("GraphDef")(protos.GraphDef)
GraphOptions = public("GraphOptions")(protos.GraphOptions)
HistogramProto = public("HistogramProto")(protos.HistogramProto)
LogMessage = public("LogMessage")(protos.LogMessage)
MetaGraphDef = public("MetaGraphDef")(protos.MetaGraphDef)
NameAttrList = public("NameAttrList")(protos.NameAttrList)
NodeDef = public("NodeDef")(protos.NodeDef)
OptimizerOptions = public("OptimizerOptions")(protos.OptimizerOptions)
RunMetadata = public("RunMetadata")(protos.RunMetadata)
RunOptions = public("RunOptions")(protos.RunOptions)
SessionLog = public("SessionLog", "summary.SessionLog")(protos.SessionLog)
Summary = public("Summary", "summary.Summary")(protos.Summary)
SummaryMetadata = public("SummaryMetadata")(protos.SummaryMetadata)
TaggedRunMetadata = public("summary.TaggedRunMetadata")(protos.TaggedRunMetadata)
TensorInfo = public("TensorInfo")(protos.TensorInfo)

BytesList = public("train.BytesList")(protos.BytesList)
ClusterDef = public("train.ClusterDef")(protos.ClusterDef)
Example = public("train.Example")(protos.Example)
Feature = public("train.Feature")(protos.Feature)
FeatureList = public("train.FeatureList")(protos.FeatureList)
FeatureLists = public("train.FeatureLists")(protos.FeatureLists)
Features = public("train.Features")(protos.Features)
FloatList = public("train.FloatList")(protos.FloatList)
Int64List = public("train.Int64List")(protos.Int64List)
JobDef = public("train.JobDef")(protos.JobDef)
SaverDef = public("train.SaverDef")(protos.SaverDef)
SequenceExample = public("train.SequenceExample")(protos.SequenceExample)
ServerDef = public("train.ServerDef")(protos.ServerDef)
AdviceProto = public("profiler.AdviceProto")(protos.AdviceProto)
GraphNodeProto = public("profiler.GraphNodeProto")(protos.GraphNodeProto)
MultiGraphNodeProto = public("profiler.MultiGraphNodeProto")(protos.MultiGraphNodeProto)
OpLogProto = public("profiler.OpLogProto")(protos.OpLogProto)
