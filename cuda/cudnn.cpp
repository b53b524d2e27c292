#include "cuda/cudnn.h"

#include <algorithm>
#include <array>
#include <source_location>
#include <span>

#include "core/error.h"
#include "cuda/runtime.h"

namespace mld::cuda {
namespace {

void check(cudnnStatus_t status,
           const std::source_location& where = std::source_location::current()) {
  if (status != CUDNN_STATUS_SUCCESS) [[unlikely]] {
    char reason[1024] = "";
    cudnnGetLastErrorString(reason, sizeof reason);
    fail("cuDNN: {} {} ({}:{})", cudnnGetErrorString(status), reason, where.file_name(),
         where.line());
  }
}

using Name = cudnnBackendAttributeName_t;
using Dims = std::vector<int64_t>;

// Identifies a graph's tensors when it runs.
enum Uid : int64_t { kX = 1, kW, kY, kBias, kResidual, kConv, kSum, kBiased };

// ---- descriptors --------------------------------------------------------------------------------

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t raw = nullptr;
    check(cudnnBackendCreateDescriptor(type, &raw));
    owned_.reset(raw, [](void* p) { cudnnBackendDestroyDescriptor(p); });
  }
  cudnnBackendDescriptor_t get() const { return owned_.get(); }

  Descriptor& set(Name name, cudnnBackendAttributeType_t type, int64_t count, const void* values) {
    check(cudnnBackendSetAttribute(get(), name, type, count, values));
    return *this;
  }
  Descriptor& set(Name name, int64_t value) { return set(name, CUDNN_TYPE_INT64, 1, &value); }
  Descriptor& set(Name name, const Dims& values) {
    return set(name, CUDNN_TYPE_INT64, static_cast<int64_t>(values.size()), values.data());
  }
  Descriptor& set(Name name, float value) { return set(name, CUDNN_TYPE_FLOAT, 1, &value); }
  Descriptor& set(Name name, bool value) { return set(name, CUDNN_TYPE_BOOLEAN, 1, &value); }
  Descriptor& set(Name name, cudnnDataType_t value) {
    return set(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
  }
  Descriptor& set(Name name, const Descriptor& value) {
    const cudnnBackendDescriptor_t raw = value.get();
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  }
  Descriptor& set(Name name, std::span<const Descriptor> values) {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const Descriptor& value : values) {
      raw.push_back(value.get());
    }
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(raw.size()), raw.data());
  }
  Descriptor& finalize() {
    check(cudnnBackendFinalize(get()));
    return *this;
  }
  int64_t integer(Name name) const {
    int64_t value = 0, count = 0;
    check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_INT64, 1, &count, &value));
    return value;
  }

 private:
  std::shared_ptr<void> owned_;
};

cudnnDataType_t type_of(DType dtype) {
  return dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

// NHWC or OHWI in memory; cuDNN lists dimensions N, C, H, W whatever the layout.
Descriptor tensor(const Shape& s, cudnnDataType_t type, Uid uid, bool is_virtual = false) {
  const int64_t C = s[3], row = s[2] * C, picture = s[1] * row;
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, Dims{s[0], C, s[1], s[2]})
      .set(CUDNN_ATTR_TENSOR_STRIDES, Dims{picture, 1, row, C})
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, int64_t{uid})
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16})
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual);
  return d.finalize();
}

// ---- operations ---------------------------------------------------------------------------------

// The attribute names of the three directions, which differ in nothing else.
struct ConvNames {
  cudnnBackendDescriptorType_t type;
  Name conv, x, w, y, alpha, beta;
};

ConvNames names_of(ConvDirection direction) {
  switch (direction) {
    case ConvDirection::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvDirection::backward_data:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    default:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  }
}

Descriptor convolution(const ConvGraph& g, const Descriptor& x, const Descriptor& w,
                       const Descriptor& y) {
  const auto both = [](int value) { return Dims{value, value}; };
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  Descriptor geometry(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  geometry.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, both(g.pad))
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, both(g.pad))
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, both(g.dilation))
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, both(g.stride))
      .finalize();
  const ConvNames names = names_of(g.direction);
  Descriptor operation(names.type);
  operation.set(names.conv, geometry).set(names.x, x).set(names.w, w).set(names.y, y)
      .set(names.alpha, 1.0f).set(names.beta, 0.0f);
  return operation.finalize();
}

Descriptor pointwise(cudnnPointwiseMode_t mode, const Descriptor& a, const Descriptor* b,
                     const Descriptor& y) {
  Descriptor function(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  function.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT)
      .finalize();
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, function)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
  if (b != nullptr) {
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  }
  return operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y).finalize();
}

// conv -> [+ residual] -> [+ bias] -> [relu]; the tensors between operations are virtual.
std::vector<Descriptor> operations_of(const ConvGraph& g) {
  const cudnnDataType_t type = type_of(g.dtype);
  const int after = g.residual + g.bias + g.relu;
  const Descriptor x = tensor(g.x, type, kX), w = tensor(g.w, type, kW);
  const Descriptor y = tensor(g.y, type, kY);
  if (after == 0) {
    return {convolution(g, x, w, y)};
  }
  std::vector<Descriptor> operations;
  Descriptor result = tensor(g.y, CUDNN_DATA_FLOAT, kConv, true);
  operations.push_back(convolution(g, x, w, result));
  int left = after;
  const auto append = [&](cudnnPointwiseMode_t mode, const Descriptor* operand, Uid uid) {
    const Descriptor next = --left == 0 ? y : tensor(g.y, CUDNN_DATA_FLOAT, uid, true);
    operations.push_back(pointwise(mode, result, operand, next));
    result = next;
  };
  if (g.residual) {
    const Descriptor residual = tensor(g.y, type, kResidual);
    append(CUDNN_POINTWISE_ADD, &residual, kSum);
  }
  if (g.bias) {
    const Descriptor bias = tensor({1, 1, 1, g.y[3]}, type, kBias);
    append(CUDNN_POINTWISE_ADD, &bias, kBiased);
  }
  if (g.relu) {
    append(CUDNN_POINTWISE_RELU_FWD, nullptr, kY);
  }
  return operations;
}

// ---- engines ------------------------------------------------------------------------------------

// An engine's notes of one kind, at most `most` of them.
template <class Note>
std::vector<Note> notes_of(const Descriptor& engine, Name name, cudnnBackendAttributeType_t type,
                           int64_t most) {
  std::vector<Note> notes(static_cast<size_t>(most));
  int64_t count = 0;
  check(cudnnBackendGetAttribute(engine.get(), name, type, most, &count, notes.data()));
  notes.resize(static_cast<size_t>(count));
  return notes;
}

std::vector<cudnnBackendNumericalNote_t> numerical_notes(const Descriptor& engine) {
  return notes_of<cudnnBackendNumericalNote_t>(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                               CUDNN_TYPE_NUMERICAL_NOTE,
                                               CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
}

// Such an engine takes a second or more to compile on first use, and the plan tests, which have no
// driver, cannot try it.
bool compiles_at_run_time(const Descriptor& engine) {
  const auto notes = notes_of<cudnnBackendBehaviorNote_t>(
      engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
      CUDNN_BEHAVIOR_NOTE_TYPE_COUNT);
  return std::find(notes.begin(), notes.end(), CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) !=
         notes.end();
}

bool has(const std::vector<cudnnBackendNumericalNote_t>& notes, cudnnBackendNumericalNote_t note) {
  return std::find(notes.begin(), notes.end(), note) != notes.end();
}

bool allowed(const std::vector<cudnnBackendNumericalNote_t>& notes, const PlanRules& rules,
             DType dtype) {
  if (rules.deterministic && has(notes, CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) {
    return false;
  }
  if (!rules.exact) {
    return true;
  }
  const bool single = dtype == DType::f32;
  return !(single && has(notes, CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) &&
         !(single && has(notes, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)) &&
         !has(notes, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) &&
         !has(notes, CUDNN_NUMERICAL_NOTE_FFT) && !has(notes, CUDNN_NUMERICAL_NOTE_WINOGRAD);
}

cudnnHandle_t handle() {
  // Never destroyed: at process exit cuDNN's own libraries may be unloaded first.
  static const cudnnHandle_t made = [] {
    cudnnHandle_t raw = nullptr;
    check(cudnnCreate(&raw));
    check(cudnnSetStream(raw, stream()));
    return raw;
  }();
  return made;
}

Descriptor device_of(const std::string& json) {
  Descriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  d.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
        static_cast<int64_t>(json.size()), json.data());
  return d.finalize();
}

// The description a convolution's plans have in common.
struct Described {
  std::vector<Descriptor> operations;
  Descriptor graph;
  cudnnHandle_t on;   // null: planned for `device`
  Descriptor device;  // undefined: for the process's

  Described(const ConvGraph& g, cudnnHandle_t on_, const Descriptor& device_)
      : operations(operations_of(g)), graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR), on(on_),
        device(device_) {
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operations);
    if (on != nullptr) {
      graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &on);
    }
    graph.finalize();
  }
};

// The engine configurations that the library's heuristics offer, best first.
std::vector<Descriptor> candidates(const Described& convolution, cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, convolution.graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (convolution.device.get() != nullptr) {
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, convolution.device);
  }
  if (cudnnBackendFinalize(heuristics.get()) != CUDNN_STATUS_SUCCESS) {
    return {};  // nothing in this mode
  }
  int64_t count = 0;
  check(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr));
  std::vector<Descriptor> configs;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < count; ++i) {
    configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    raw.push_back(configs.back().get());
  }
  check(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()));
  configs.resize(static_cast<size_t>(count));
  return configs;
}

// The plan of a configuration; undefined if none can be made from it here.
Descriptor finish(const Descriptor& config, const Described& convolution) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  if (convolution.on != nullptr) {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &convolution.on);
  }
  if (convolution.device.get() != nullptr) {
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, convolution.device);
  }
  return cudnnBackendFinalize(plan.get()) == CUDNN_STATUS_SUCCESS ? plan : Descriptor();
}

Descriptor engine_of(const Descriptor& config) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  int64_t count = 0;
  check(cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw));
  return engine;
}

}  // namespace

std::string ConvGraph::key() const {
  return fmt::format("{} {} {} {} {} {} {} {} {}{}{}", static_cast<int>(direction), x, w, y, stride,
                     pad, dilation, static_cast<int>(dtype), bias, residual, relu);
}

struct ConvPlan::Parts {
  std::shared_ptr<const Described> convolution;  // the plan's descriptors refer to it
  Descriptor plan;
  int64_t workspace = 0, engine = -1;
  bool tensor_cores = false;
  bool bias = false, residual = false;
};

// Up to `most` plans by these rules, best first by the library's heuristics.
std::vector<ConvPlan> ConvPlan::find(const ConvGraph& g, const PlanRules& rules, int most,
                                     const DeviceDescription* device) {
  const auto convolution = std::make_shared<const Described>(
      g, device != nullptr ? nullptr : handle(),
      device != nullptr ? device_of(device->json) : Descriptor());
  std::vector<ConvPlan> plans;
  int offered = 0;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (const Descriptor& config : candidates(*convolution, mode)) {
      ++offered;
      const Descriptor engine = engine_of(config);
      const auto notes = numerical_notes(engine);
      if (!allowed(notes, rules, g.dtype) || compiles_at_run_time(engine)) {
        continue;
      }
      if (const Descriptor plan = finish(config, *convolution); plan.get() != nullptr) {
        plans.push_back(ConvPlan(std::make_unique<Parts>(Parts{
            .convolution = convolution, .plan = plan,
            .workspace = plan.integer(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE),
            .engine = engine.integer(CUDNN_ATTR_ENGINE_GLOBAL_INDEX),
            .tensor_cores = has(notes, CUDNN_NUMERICAL_NOTE_TENSOR_CORE),
            .bias = g.bias, .residual = g.residual})));
        if (std::ssize(plans) == most) {
          return plans;
        }
      }
    }
    if (!plans.empty()) {
      return plans;  // the fallbacks are slower
    }
  }
  fail<NoEngine>("cuDNN: none of {} engine configurations serves the convolution {}", offered,
                 g.key());
}

std::vector<ConvPlan> ConvPlan::several(const ConvGraph& graph, const PlanRules& rules, int most) {
  return find(graph, rules, most, nullptr);
}
std::vector<ConvPlan> ConvPlan::several(const ConvGraph& graph, const PlanRules& rules, int most,
                                        const DeviceDescription& device) {
  return find(graph, rules, most, &device);
}

ConvPlan::ConvPlan(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ConvPlan::~ConvPlan() = default;
ConvPlan::ConvPlan(ConvPlan&&) noexcept = default;
ConvPlan& ConvPlan::operator=(ConvPlan&&) noexcept = default;

int64_t ConvPlan::workspace() const { return parts_->workspace; }
int64_t ConvPlan::engine() const { return parts_->engine; }
bool ConvPlan::tensor_cores() const { return parts_->tensor_cores; }

void ConvPlan::run(const void* x, const void* w, const void* y, const void* bias,
                   const void* residual, void* workspace) const {
  std::vector<int64_t> uids = {kX, kW, kY};
  std::vector<const void*> pointers = {x, w, y};
  if (parts_->bias) {
    uids.push_back(kBias);
    pointers.push_back(bias);
  }
  if (parts_->residual) {
    uids.push_back(kResidual);
    pointers.push_back(residual);
  }
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
           static_cast<int64_t>(pointers.size()), pointers.data())
      .set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, uids)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace)
      .finalize();
  check(cudnnBackendExecute(handle(), parts_->plan.get(), pack.get()));
}

std::string describe_device() {
  Descriptor d(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  cudnnHandle_t on = handle();
  d.set(CUDNN_ATTR_DEVICEPROP_HANDLE, CUDNN_TYPE_HANDLE, 1, &on).finalize();
  int64_t size = 0;
  check(cudnnBackendGetAttribute(d.get(), CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                 CUDNN_TYPE_CHAR, 0, &size, nullptr));
  std::string json(static_cast<size_t>(size), '\0');
  check(cudnnBackendGetAttribute(d.get(), CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                 CUDNN_TYPE_CHAR, size, &size, json.data()));
  return json;
}

}  // namespace mld::cuda
