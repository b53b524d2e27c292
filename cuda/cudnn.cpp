#include "cuda/cudnn.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "core/error.h"
#include "cuda/cudnn_descriptors.h"
#include "cuda/runtime.h"

namespace mld::cuda {
namespace {

// An engine's notes of one kind, at most `limit` of them.
template <class Note>
std::vector<Note> notes_of(const Descriptor& engine, Name name, cudnnBackendAttributeType_t type,
                           int64_t limit) {
  std::vector<Note> notes(static_cast<size_t>(limit));
  int64_t count = 0;
  check(cudnnBackendGetAttribute(engine.get(), name, type, limit, &count, notes.data()));
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

struct ConvPlan::Parts {
  std::shared_ptr<const Described> convolution;  // the plan's descriptors refer to it
  Descriptor plan;
  int64_t workspace = 0, engine = -1;
  bool tensor_cores = false;
  bool bias = false, residual = false;
};

// Up to `max_plans` plans by these rules, best first by the library's heuristics.
std::vector<ConvPlan> ConvPlan::find(const ConvGraph& g, const PlanRules& rules, int max_plans,
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
        if (std::ssize(plans) == max_plans) {
          return plans;
        }
      }
    }
    if (!plans.empty()) {
      return plans;  // the fallbacks are slower
    }
  }
  fail<NoEngine>("cuDNN: no engine, of {} configurations offered, computes the convolution of x {} "
                 "with w {}, stride {}, padding {} and {}, dilation {}", offered, g.x, g.w,
                 g.stride, fmt::join(g.before, " "), fmt::join(g.behind, " "), g.dilation);
}

std::vector<ConvPlan> ConvPlan::several(const ConvGraph& graph, const PlanRules& rules,
                                        int max_plans) {
  return find(graph, rules, max_plans, nullptr);
}
std::vector<ConvPlan> ConvPlan::several(const ConvGraph& graph, const PlanRules& rules,
                                        int max_plans, const DeviceDescription& device) {
  return find(graph, rules, max_plans, &device);
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
