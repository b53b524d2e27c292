// The check of the product's kernels node by node (tests/parity/node_check.h), and that it can
// fail: an error of one percent in any backward kernel, at a ResNet's widths, is noticed.
#include <set>

#include <doctest/doctest.h>

#include "autograd/ops.h"
#include "models/registry.h"
#include "tests/kernel_check.h"
#include "tests/op_case.h"
#include "tests/parity/float64.h"
#include "tests/parity/node_check.h"

namespace mld::test {
namespace {

using parity::Float64;
using parity::NodeCheck;

// One step of training with dropout, in float64.
void train(const ModelSpec& spec, int64_t side, NodeCheck& check) {
  const Float64 arithmetic(check);
  const std::unique_ptr<Classifier> model = make_model(spec);
  initialize(*model, 7);
  set_training(*model, true);
  Tape tape({.seed = 3, .step = 7});
  const Var logits = (*model)(tape.constant(random_tensor({2, side, side, 3}, 1, -2, 2)));
  tape.backward(logits, random_tensor(logits.shape(), 2));
}

const ModelSpec kSmall{.backbone = "resnet18", .head = "ml_decoder", .classes = 20, .groups = 5,
                       .drop_path = 0.4};

const ModelSpec kVit{.backbone = "clip_vit_tiny", .head = "gap", .classes = 4, .drop_path = 0.4};

bool is_backward(const std::string& kernel) {
  // The backward passes of dropout and of a bias use forward kernels.
  return kernel.find("backward") != std::string::npos || kernel == "dropout" ||
         kernel == "drop_path" ||
         kernel == "sum_rows" || kernel == "scale";
}

}  // namespace

TEST_CASE("every kernel of a training with dropout is right at every node") {
  for (const Device device : devices()) {
    for (const ModelSpec& spec : {kSmall, kVit}) {
      NodeCheck check(device);
      train(spec, 64, check);
      for (const auto& [name, worst] : check.worst()) {
        CAPTURE(name);
        CAPTURE(worst.where);
        CHECK_LE(worst.error, NodeCheck::kLimit);
      }
    }
  }
}

// All in one run: the product's results are compared and dropped, so no error hides another.
TEST_CASE("one percent too much in any backward kernel is noticed, and in no other kernel") {
  NodeCheck check{Device{}};
  std::set<std::string> planted;
  check.spoil = [&](KernelCall& product) {
    if (is_backward(product.name())) {
      planted.insert(product.name());
      product.each_tensor([&](Tensor& x, Role role) {
        for (int64_t i = 0; role == Role::output && i < x.numel(); ++i) {
          x.data<float>()[i] *= 1.01f;
        }
      });
    }
  };
  train(kSmall, 64, check);
  CHECK_EQ(planted.size(), 13);
  const std::vector<std::string> failing = check.failing();
  CHECK_EQ(std::set<std::string>(failing.begin(), failing.end()), planted);
}

// The outputs of a linear layer behind a norm have mean zero but for rounding, in every channel.
TEST_CASE("a norm's mean is held to the size of what it is the mean of") {
  for (const float planted : {0.0f, 1e-3f}) {
    NodeCheck check{Device{}};
    check.spoil = [&](KernelCall& product) {
      std::vector<Tensor> results;
      product.each_tensor([&](Tensor& x, Role role) {
        if (role != Role::input) {
          results.push_back(x);
        }
      });
      if (product.name() == "batch_norm_forward") {
        results.at(2).data<float>()[0] += planted;
      }
    };
    const Float64 arithmetic(check);
    Tape tape;
    const int64_t c = 8;
    Tensor running_mean = Tensor::zeros({c}), running_var = Tensor::full({c}, 1);
    const auto norm = [&](const Var& x) {
      return batch_norm(x, tape.variable(Tensor::full({c}, 1)),
                        tape.variable(Tensor::zeros({c})), running_mean, running_var);
    };
    const Var first = norm(tape.variable(random_tensor({4, 2, 2, c}, 1)));
    norm(linear(first, tape.variable(random_tensor({c, c}, 2))));
    CHECK_EQ(check.failing(), planted == 0 ? std::vector<std::string>{}
                                           : std::vector<std::string>{"batch_norm_forward"});
  }
}

TEST_CASE("an element that a kernel leaves unwritten is noticed") {
  NodeCheck check{Device{}};
  check.spoil = [](KernelCall& product) {
    if (product.name() == "linear_backward_data") {
      product.each_tensor([](Tensor& x, Role role) {
        if (role == Role::output) {
          x.data<float>()[x.numel() - 1] = std::numeric_limits<float>::quiet_NaN();
        }
      });
    }
  };
  const Float64 arithmetic(check);
  Tape tape;
  const Var x = tape.variable(random_tensor({2, 8}, 1));
  const Var w = tape.variable(random_tensor({4, 8}, 2));
  tape.backward(linear(x, w), random_tensor({2, 4}, 3));
  CHECK_EQ(check.failing(), std::vector<std::string>{"linear_backward_data"});
}

}  // namespace mld::test
