// Convolution through cuDNN, plans cached by shape; plain loops where it has no engine. Depthwise
// ones have kernels of their own.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/kernels.h"
#include "cuda/conv2d_direct.cuh"
#include "cuda/cudnn.h"
#include "cuda/depthwise.cuh"
#include "cuda/epilogue.cuh"
#include "cuda/owned.h"
#include "cuda/runtime.h"

namespace mld::cuda {
namespace {

ConvGraph graph_of(ConvDirection direction, const Shape& x, const Shape& w, const Shape& y,
                   const Conv2dSpec& spec, DType dtype) {
  return {.direction = direction, .x = x, .w = w, .y = y, .stride = spec.stride,
          .dilation = spec.dilation,
          .before = {spec.before(x[1], w[1]), spec.before(x[2], w[2])},
          .behind = {spec.behind(x[1], w[1]), spec.behind(x[2], w[2])}, .dtype = dtype};
}

// A convolution's tensors.
struct Operands {
  const Tensor &x, &w, &y;
  const Tensor& bias = kNone;
  const Tensor& residual = kNone;

  inline static const Tensor kNone;
};

void run(const ConvPlan& plan, const Operands& on) {
  const Tensor workspace({plan.workspace()}, DType::u8, current_device());
  plan.run(on.x.raw(), on.w.raw(), on.y.raw(), on.bias.raw(), on.residual.raw(), workspace.raw());
}

// Milliseconds of one run, the shortest of a few.
float time(const ConvPlan& plan, const Operands& on) {
  using Event = Owned<cudaEvent_t, cudaEventDestroy>;
  const auto event = [] {
    cudaEvent_t raw = nullptr;
    check(cudaEventCreate(&raw));
    return Event(raw);
  };
  const Event begin = event(), end = event();
  float best = INFINITY;
  for (int i = 0; i < 4; ++i) {
    check(cudaEventRecord(begin.get(), stream()));
    run(plan, on);
    check(cudaEventRecord(end.get(), stream()));
    check(cudaEventSynchronize(end.get()));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()));
    best = std::min(best, milliseconds);
  }
  return best;
}

constexpr int kTried = 8;  // plans

// The fastest of several plans, of any engine, found by running them on these operands.
ConvPlan quickest(const ConvGraph& graph, const Operands& on) {
  std::vector<ConvPlan> plans = ConvPlan::several(graph, {.deterministic = false}, kTried);
  ConvPlan* best = nullptr;
  float shortest = INFINITY;
  std::string problem;
  for (ConvPlan& plan : plans) {
    try {
      if (const float milliseconds = time(plan, on); milliseconds < shortest) {
        shortest = milliseconds;
        best = &plan;
      }
    } catch (const Error& error) {  // no memory for its workspace, or refused: skip it
      problem = error.what();
    }
  }
  require(best != nullptr, "conv2d: none of cuDNN's {} plans runs: {}", plans.size(), problem);
  return std::move(*best);
}

// The heuristics' first choice among the deterministic engines. A plan may be refused when it runs:
// then the next choice that is not.
ConvPlan first_that_runs(const ConvGraph& graph, const Operands& on) {
  std::string problem;
  for (const int max_plans : {1, kTried}) {  // more plans are built only where one is not enough
    for (ConvPlan& plan : ConvPlan::several(graph, {.deterministic = deterministic()}, max_plans)) {
      try {
        if (!capturing()) {
          run(plan, on);
        }
        return std::move(plan);
      } catch (const OutOfMemory&) {
        throw;
      } catch (const Error& error) {
        problem = error.what();
      }
    }
  }
  fail("conv2d: none of cuDNN's plans runs: {}", problem);
}

// Runs plans on these operands: y is overwritten.
ConvPlan choose(const ConvGraph& graph, const Operands& on) {
  return deterministic() || capturing() ? first_that_runs(graph, on) : quickest(graph, on);
}

// The plan for a graph, or nullptr if cuDNN has none.
const ConvPlan* plan_of(const ConvGraph& graph, const Operands& on) {
  static auto* plans = new std::unordered_map<std::string, std::optional<ConvPlan>>;
  const auto [found, inserted] = plans->try_emplace(graph.key());
  if (inserted) {
    try {
      found->second.emplace(choose(graph, on));
    } catch (const NoEngine& error) {
      std::fprintf(stderr, "warning: %s; a slower way is used\n", error.what());
    } catch (...) {
      plans->erase(found);
      throw;
    }
  }
  return found->second ? &*found->second : nullptr;
}

// bfloat16, followed by ReLU or nothing: one precompiled kernel. False if there is none.
bool run_fused(ConvGraph graph, const Tensor& x, const Tensor& w, const Tensor& bias,
               const Tensor& residual, const ActivationSpec& act, Tensor& y) {
  const bool possible = x.dtype() == DType::bf16 && bias.defined() && act.kind == Act::relu;
  graph.bias = graph.relu = true;
  graph.residual = residual.defined();
  if (!possible) {
    return false;
  }
  Tensor offset(bias.shape(), DType::bf16, y.device());
  cast(bias, offset);
  const Operands operands{x, w, y, offset, residual};
  const ConvPlan* plan = plan_of(graph, operands);
  if (plan != nullptr) {
    run(*plan, operands);
  }
  return plan != nullptr;
}

}  // namespace

void conv2d_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                    const Conv2dSpec& spec, Tensor& y) {
  if (has_depthwise(x.shape(), w.shape(), spec)) {
    depthwise_forward(x, w, bias, residual, spec, y);
    return;
  }
  const ConvGraph graph = graph_of(ConvDirection::forward, x.shape(), w.shape(), y.shape(), spec,
                                   x.dtype());
  if (run_fused(graph, x, w, bias, residual, spec.act, y)) {
    return;
  }
  const Operands operands{x, w, y};
  if (const ConvPlan* plan = plan_of(graph, operands)) {
    run(*plan, operands);
  } else {
    direct_forward(x, w, spec, y);
  }
  if (bias.defined() || residual.defined() || spec.act.kind != Act::identity) {
    epilogue(bias, residual, spec.act, y);
  }
}

void conv2d_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  if (has_depthwise(dx.shape(), w.shape(), spec)) {
    depthwise_backward_data(dy, w, spec, dx);
    return;
  }
  const Operands operands{dx, w, dy};
  if (const ConvPlan* plan = plan_of(graph_of(ConvDirection::backward_data, dx.shape(), w.shape(),
                                              dy.shape(), spec, dy.dtype()),
                                     operands)) {
    run(*plan, operands);
  } else {
    direct_backward_data(dy, w, spec, dx);
  }
}

void conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec, Tensor& dw) {
  if (has_depthwise(x.shape(), dw.shape(), spec)) {
    depthwise_backward_weight(dy, x, spec, dw);
    return;
  }
  const Operands operands{x, dw, dy};
  if (const ConvPlan* plan = plan_of(graph_of(ConvDirection::backward_weight, x.shape(), dw.shape(),
                                              dy.shape(), spec, dy.dtype()),
                                     operands)) {
    run(*plan, operands);
  } else {
    direct_backward_weight(dy, x, spec, dw);
  }
}

}  // namespace mld::cuda
