// Whole models on a GPU against the CPU: the same weights, pictures and dropout give the same
// logits and gradients, in training and in inference; and a second run gives the same bits.
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "models/registry.h"
#include "tests/kernel_check.h"
#include "tests/op_case.h"
#include "tests/parity/float64.h"
#include "tests/parity/node_check.h"

namespace mld::test {
namespace {

constexpr int64_t kPictures = 4, kSide = 64, kClasses = 24;

// Limits of |ours - the CPU's float32| / |the CPU's float32|, as vectors. In bfloat16 results must
// be hardly farther off than the CPU's bfloat16.
constexpr double kLogits = 1e-4, kGradients = 1e-4, kFactor = 1.5, kSlack = 0.01;

struct Result {
  Tensor logits;
  std::vector<std::pair<std::string, Tensor>> gradients;
};

double distance_of(const Tensor& ours, const Tensor& wanted) {
  return distance(ours.to_vector(), wanted.to_vector());
}

Tensor pictures(Device device, DType dtype) {
  const Tensor images = random_tensor({kPictures, kSide, kSide, 3}, 1, -2, 2).to(device);
  return cast(Var(images), dtype).value;
}

std::unique_ptr<Classifier> model_on(const ModelSpec& spec, Device device) {
  std::unique_ptr<Classifier> model = make_model(spec);
  initialize(*model, 42);
  to(*model, device);
  return model;
}

// One pass with dropout, and the gradients of sum(logits * R). The norms use the batch's statistics
// or the running ones.
Result train(const ModelSpec& spec, Device device, DType dtype, bool batch_statistics) {
  const std::unique_ptr<Classifier> model = model_on(spec, device);
  set_training(*model->backbone, batch_statistics);
  set_training(*model->head, true);
  Tape tape({.seed = 3, .step = 7});
  const Var logits = cast((*model)(tape.constant(pictures(device, dtype))), DType::f32);
  tape.backward(logits, random_tensor(logits.shape(), 2).to(device));
  Result result{logits.value, {}};
  for (const auto& [name, parameter] : parameters(*model)) {
    if (parameter->trainable) {
      REQUIRE_MESSAGE(parameter->grad.defined(), name);
      result.gradients.emplace_back(name, parameter->grad);
    }
  }
  return result;
}

Result infer(const ModelSpec& spec, Device device, DType dtype) {
  const std::unique_ptr<Classifier> model = model_on(spec, device);
  set_training(*model, false);
  fold_batch_norm(*model);
  const Var logits = (*model)(Var(pictures(device, dtype)));  // without a tape: the folded form
  return {cast(logits, DType::f32).value, {}};
}

std::vector<Device> gpus() {
  std::vector<Device> found = devices();
  std::erase_if(found, [](Device device) { return device.is_cpu(); });
  return found;
}

struct Comparison {
  std::string name;
  double distance, limit;
};

// ours against exact, the CPU's float32; cpu: the CPU's in ours' dtype.
std::vector<Comparison> compare(const Result& ours, const Result& cpu, const Result& exact,
                                DType dtype) {
  std::vector<Comparison> all;
  const auto add = [&](const std::string& name, const Tensor& a, const Tensor& b, const Tensor& c,
                       double limit = kGradients) {
    const bool single = dtype == DType::f32;
    all.push_back(
        {name, distance_of(a, c), single ? limit : kFactor * distance_of(b, c) + kSlack});
  };
  add("logits", ours.logits, cpu.logits, exact.logits, kLogits);
  REQUIRE_EQ(ours.gradients.size(), cpu.gradients.size());
  for (size_t i = 0; i < cpu.gradients.size(); ++i) {
    add(exact.gradients[i].first, ours.gradients[i].second, cpu.gradients[i].second,
        exact.gradients[i].second);
  }
  return all;
}

void check_same_bits(const Result& a, const Result& b) {
  CHECK(same_bits(a.logits.to(Device{}), b.logits.to(Device{})));
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    CAPTURE(a.gradients[i].first);
    CHECK(same_bits(a.gradients[i].second.to(Device{}), b.gradients[i].second.to(Device{})));
  }
}

// run(device, dtype) -> Result
void check(const ModelSpec& spec, const auto& run) {
  for (const Device device : gpus()) {
    const Result exact = run(Device{}, DType::f32);
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const std::string where =
          fmt::format("{} with {} in {}", spec.backbone, spec.head, name_of(dtype));
      CAPTURE(where);
      const Result cpu = dtype == DType::f32 ? exact : run(Device{}, dtype);
      const Result ours = run(device, dtype);
      check_same_bits(ours, run(device, dtype));
      const std::vector<Comparison> comparisons = compare(ours, cpu, exact, dtype);
      const Comparison* closest = nullptr;  // the one closest to its limit
      for (const Comparison& c : comparisons) {
        CAPTURE(c.name);
        CHECK_LE(c.distance, c.limit);
        CHECK_LT(c.limit, 0.95);  // zeros have distance one
        if (closest == nullptr || !(c.distance / c.limit <= closest->distance / closest->limit)) {
          closest = &c;
        }
      }
      MESSAGE(where, ": logits within ", comparisons[0].distance, "; closest to its limit of ",
              comparisons.size(), ": ", closest->name, ", ", closest->distance, " of ",
              closest->limit);
    }
  }
}

const ModelSpec kSmall{.backbone = "resnet18", .head = "gap", .classes = kClasses},
    kLarge{.backbone = "resnet50", .head = "ml_decoder", .classes = kClasses, .groups = 7},
    kBlurred{.backbone = "tresnet_s", .head = "gap", .classes = kClasses},
    kDepthwise{.backbone = "efficientnet_lite0", .head = "gap", .classes = kClasses};
const std::vector<ModelSpec> kModels{kSmall, kLarge, kBlurred, kDepthwise};

}  // namespace

TEST_CASE("whole models train on a GPU as on the CPU, and to the same bits again") {
  for (const ModelSpec& spec : kModels) {
    check(spec, [&](Device device, DType dtype) {
      return train(spec, device, dtype, false);
    });
  }
}

// Statistics over sixteen pixels: rounding decides which way the gradients of a whole network
// point. So every kernel is held to float64 by itself, see Note [Node by node].
TEST_CASE("with batch statistics every node is right, and the same bits again") {
  for (const Device device : gpus()) {
    for (const ModelSpec& spec : kModels) {
      parity::NodeCheck check(device);
      {
        const parity::Float64 arithmetic(check);
        train(spec, Device{}, DType::f32, true);
      }
      for (const auto& [name, worst] : check.worst()) {
        CAPTURE(name);
        CAPTURE(worst.where);
        CHECK_LE(worst.error, parity::NodeCheck::kLimit);
      }
    }
    check_same_bits(train(kSmall, device, DType::f32, true),
                    train(kSmall, device, DType::f32, true));
  }
}

TEST_CASE("whole models infer on a GPU as on the CPU, and to the same bits again") {
  for (const ModelSpec& spec : kModels) {
    check(spec, [&](Device device, DType dtype) { return infer(spec, device, dtype); });
  }
}

}  // namespace mld::test
