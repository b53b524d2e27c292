// Builds cuDNN's plan for every convolution of every model, on a machine without a GPU, from the
// description of one; prints what each uses as a table.   conv_plans DEVICE.json
//
// Which convolutions there are is observed: a forward pass of each backbone with a recorder in the
// place of the CPU's convolution. Fails if the rules of conv2d.cpp leave one without an engine.
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels.h"
#include "cuda/cudnn.h"
#include "cuda/depthwise.cuh"
#include "cuda/runtime.h"
#include "models/registry.h"

namespace mld::cuda {

// What cudnn.cpp wants of a running device; a plan for a described one never asks.
cudaStream_t stream() { fail("there is no device here"); }

namespace {

constexpr int64_t kBatch = 128, kImageSize = 224;

struct Convolution {
  Shape x, w, y;
  Conv2dSpec spec;
};

// By a text that tells them apart, in the order of their sizes.
std::map<std::string, Convolution> recorded;

void record(const Tensor& x, const Tensor& w, const Tensor&, const Tensor&, const Conv2dSpec& spec,
            Tensor& y) {
  KERNEL(y.device(), fill)(0, y);
  if (has_depthwise(x.shape(), w.shape(), spec)) {
    return;  // not cuDNN's
  }
  const auto with_batch = [](const Shape& s) { return Shape{kBatch, s[1], s[2], s[3]}; };
  const std::string name = fmt::format("{:4}x{:<4} {:4} -> {:4}  {}x{} /{}", x.shape()[1],
                                       x.shape()[2], x.shape()[3], y.shape()[3], w.shape()[1],
                                       w.shape()[2], spec.stride);
  recorded.try_emplace(name, Convolution{with_batch(x.shape()), w.shape(), with_batch(y.shape()),
                                         spec});
}

void record_all_models() {
  KernelTable table = backend(Device{});
  table.conv2d_forward = record;
  override_kernels(Backend::cpu, &table);
  for (const BackboneRow& row : backbones()) {
    const auto model =
        make_model({.backbone = std::string(row.name), .head = "gap", .classes = 10});
    initialize(*model, 0);
    Tape tape;
    (*model)(tape.constant(Tensor({1, kImageSize, kImageSize, 3})));
  }
  override_kernels(Backend::cpu, nullptr);
}

// One line of the table. False if there is no plan.
bool plan(const std::string& name, const char* what, const ConvGraph& graph,
          const DeviceDescription& device) {
  const char* dtype = graph.dtype == DType::bf16 ? "bf16" : "f32";
  try {
    const std::vector<ConvPlan> plans = ConvPlan::several(graph, PlanRules{}, 1, device);
    const ConvPlan& made = plans.front();
    const size_t timed = ConvPlan::several(graph, {.deterministic = false}, 8, device).size();
    fmt::print("| {} | {} | {} | {} | {} | {:.1f} | {} |\n", name, dtype, what, made.engine(),
               made.tensor_cores() ? "yes" : "no", static_cast<double>(made.workspace()) / 0x1p20,
               timed);
    return true;
  } catch (const Error& error) {
    fmt::print("| {} | {} | {} | none: {} | | | |\n", name, dtype, what, error.what());
    return false;
  }
}

int plan_all(const DeviceDescription& device) {
  fmt::print("| convolution, batch {} | type | direction | engine | tensor cores | workspace, MiB "
             "| to time |\n|---|---|---|---|---|---|---|\n", kBatch);
  int missing = 0;
  for (const auto& [name, c] : recorded) {
    for (const DType dtype : {DType::bf16, DType::f32}) {
      ConvGraph graph{.x = c.x, .w = c.w, .y = c.y, .stride = c.spec.stride,
                      .dilation = c.spec.dilation,
                      .before = {c.spec.before(c.x[1], c.w[1]), c.spec.before(c.x[2], c.w[2])},
                      .behind = {c.spec.behind(c.x[1], c.w[1]), c.spec.behind(c.x[2], c.w[2])},
                      .dtype = dtype};
      missing += !plan(name, "forward", graph, device);
      if (c.x[3] > 3) {  // nobody asks for the pictures' gradient
        graph.direction = ConvDirection::backward_data;
        missing += !plan(name, "data gradient", graph, device);
      }
      graph.direction = ConvDirection::backward_weight;
      missing += !plan(name, "weight gradient", graph, device);
      if (dtype == DType::bf16) {  // inference with batch norm folded
        graph.direction = ConvDirection::forward;
        graph.bias = graph.relu = true;
        missing += !plan(name, "+ bias, ReLU", graph, device);
        graph.residual = true;
        missing += !plan(name, "+ residual, bias, ReLU", graph, device);
      }
    }
  }
  return missing;
}

int run(const char* path) {
  std::ifstream file(path);
  require(file.good(), "{}: cannot be read", path);
  std::stringstream text;
  text << file.rdbuf();
  record_all_models();
  const int missing = plan_all({text.str()});
  fmt::print("\n{} convolutions, {} plans missing\n", recorded.size(), missing);
  return missing == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mld::cuda

int main(int argc, char** argv) {
  if (argc != 2) {
    std::puts("usage: conv_plans DEVICE.json");
    return 2;
  }
  return mld::cuda::run(argv[1]);
}
