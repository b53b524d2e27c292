#include "tests/parity/node_check.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "core/error.h"
#include "tests/measure.h"
#include "tests/parity/fixture.h"
#include "tests/parity/float64.h"

namespace mld::parity {
namespace {

using test::KernelCall;
using test::Role;

std::string shapes_of(KernelCall& call) {
  std::string text;
  call.each_tensor([&](Tensor& x, Role role) {
    text += fmt::format("{}{}", text.empty() ? "" : role == Role::output ? " -> " : " ", x.shape());
  });
  return text;
}

// The largest element of the first tensor: dy in a backward kernel, x in a forward one.
double largest_of_first(KernelCall& call) {
  double largest = test::kFloor;
  bool first = true;
  call.each_tensor([&](Tensor& x, Role) {
    for (const float value : first ? x.to_vector() : std::vector<float>()) {
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
    first = false;
  });
  return largest;
}

// Whether result number i, y, is a sum (or mean) over all pixels or rows. A sum is no more exact
// than its terms, and some are zero but for rounding: the gradient of a key's bias, since it does
// not change a softmax; that of a norm's bias where another norm follows without an activation
// between; and there the following norm's mean, where the first one's biases are still zero (a
// layer norm's, behind another).
bool is_sum(KernelCall& call, size_t i, const Tensor& y) {
  constexpr size_t kRunningMean = 0, kMean = 2;  // batch_norm_forward's results
  return call.name() == "sum_rows" ||
         (call.name() == "batch_norm_forward" && (i == kRunningMean || i == kMean)) ||
         (call.name() == "layer_norm_forward" && i == 0) ||
         (call.name() == "batch_norm_backward" && y.shape().rank() == 1);
}

// The elements as the float64 run left them.
Doubles exact(const Tensor& x) {
  return x.dtype() == DType::f32 ? read_doubles(x) : to_array(x).values;
}

}  // namespace

void NodeCheck::run(KernelCall& call, const KernelTable& own) {
  const std::unique_ptr<KernelCall> ours = call.copy();
  ours->each_tensor([&](Tensor& x, Role role) {
    if (role == Role::output) {
      x = Tensor(x.shape(), x.dtype(), product_);
      test::poison(x);
    } else {
      x = test::copy_of(x, product_);
    }
  });
  require(!call.same(float64_kernels(), own) || call.name() == "fill",
          "float64: there is no {} to compare the product's with", call.name());
  call.run(float64_kernels());
  ours->run(test::own_table(product_));
  if (spoil) {
    spoil(*ours);
  }
  std::vector<Tensor> results;
  ours->each_tensor([&](Tensor& x, Role role) {
    if (role != Role::input) {
      results.push_back(test::copy_of(x, Device{}));
    }
  });
  const double term = largest_of_first(call);  // the least size that a sum's error is relative to
  Worst& worst = worst_[call.name()];
  ++worst.calls;
  size_t next = 0;
  call.each_tensor([&](Tensor& x, Role role) {
    if (role == Role::input) {
      return;
    }
    const double error = test::largest_error(to_array(results[next]).values, exact(x),
                                             is_sum(call, next, x) ? term : test::kFloor);
    ++next;
    if (!(error <= worst.error)) {
      worst.error = error;
      worst.where = fmt::format("output {} of {}", next - 1, shapes_of(call));
    }
  });
}

std::vector<std::string> NodeCheck::failing() const {
  std::vector<std::string> names;
  for (const auto& [name, worst] : worst_) {
    if (!(worst.error <= kLimit)) {
      names.push_back(name);
    }
  }
  return names;
}

void NodeCheck::report(Fixture& fixture) const {
  int calls = 0;
  double largest = 0;
  for (const auto& [name, worst] : worst_) {
    fixture.record(fmt::format("{} on {}, {}", name, product_.str(), worst.where), worst.error,
                   kLimit);
    calls += worst.calls;
    largest = std::max(largest, worst.error);
  }
  fixture.remark(fmt::format("{} calls of {} kernels on {} lie within {:.2g} of float64's", calls,
                             worst_.size(), product_.str(), largest));
}

}  // namespace mld::parity
