// A thin layer over cuDNN 9's graph interface: convolutions as graphs of one operation, or with
// bias, residual and ReLU behind it.
//
// The classic interface is deprecated; and graphs can be planned without a GPU, from a description
// of one, which is how the tests check every convolution of every model on a machine that has none.
#pragma once

#include <cudnn.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/specs.h"

namespace mld::cuda {

enum class ConvDirection { forward, backward_data, backward_weight };

// A convolution as cuDNN sees it. x, w, y are NHWC, OHWI, NHWC; backward, the wanted gradient is
// the one written.
struct ConvGraph {
  ConvDirection direction = ConvDirection::forward;
  Shape x, w, y;
  int stride = 1, dilation = 1;
  std::array<int64_t, 2> before{}, behind{};  // padding along H and W
  DType dtype = DType::f32;
  // Forward only: y = act(conv [+ residual] [+ bias]), bias [O] of dtype.
  bool bias = false, residual = false, relu = false;

  std::string key() const;  // equal for equal graphs
};

// What engines a plan may use.
struct PlanRules {
  bool deterministic = true;
  bool exact = true;  // float32 without TF32, Winograd or FFT
};

// A device known by its description only (JSON, as cuDNN writes it for a real one): plans can be
// built for it, but not run.
struct DeviceDescription {
  std::string json;
};

struct NoEngine : Error {
  using Error::Error;
};

// A finished execution plan, the engine it uses and the workspace it needs.
class ConvPlan {
 public:
  // From one to `max_plans` plans for the process's device, the one that the library's heuristics
  // expect to be fastest first. Errors: NoEngine if no allowed engine can run the graph; Error with
  // cuDNN's message for everything else.
  static std::vector<ConvPlan> several(const ConvGraph& graph, const PlanRules& rules,
                                       int max_plans);
  // For a described device.
  static std::vector<ConvPlan> several(const ConvGraph& graph, const PlanRules& rules,
                                       int max_plans, const DeviceDescription& device);
  ~ConvPlan();
  ConvPlan(ConvPlan&&) noexcept;
  ConvPlan& operator=(ConvPlan&&) noexcept;

  int64_t workspace() const;  // bytes
  int64_t engine() const;     // its global index
  bool tensor_cores() const;

  // Runs on the compute stream. bias, residual may be null where the graph has none.
  void run(const void* x, const void* w, const void* y, const void* bias, const void* residual,
           void* workspace) const;

 private:
  struct Parts;
  explicit ConvPlan(std::unique_ptr<Parts> parts);
  static std::vector<ConvPlan> find(const ConvGraph& graph, const PlanRules& rules, int max_plans,
                                    const DeviceDescription* device);

  std::unique_ptr<Parts> parts_;
};

// The process's device as cuDNN describes it: what DeviceDescription takes.
std::string describe_device();

}  // namespace mld::cuda
