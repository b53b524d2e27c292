// The product's kernels, held to float64's node by node.
//
// Note [Node by node]. While a whole network runs in float64 (Note [Float64 parity]), for every
// kernel that it calls, the product's version is called too, on the same inputs rounded to float32,
// and each of its outputs is compared. Errors do not accumulate: the next node's inputs come from
// the float64 run again. So the limit is that of a single kernel, at the sizes and values of real
// training.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/kernel_watch.h"

namespace mld::parity {

class Fixture;

class NodeCheck {
 public:
  static constexpr double kLimit = 1e-5;  // of an output's largest value

  // The kernels of this device's backend are checked.
  explicit NodeCheck(Device product) : product_(product) {}

  // Runs the call in float64, and a copy of it on the product's kernels; compares. `own` is the
  // CPU's own table.
  void run(test::KernelCall& call, const KernelTable& own);

  // Called with the product's results before the comparison: tests plant errors here.
  std::function<void(test::KernelCall& product)> spoil;

  struct Worst {
    double error = 0;
    int calls = 0;
    std::string where;  // the shapes of the worst call
  };
  const std::map<std::string, Worst>& worst() const { return worst_; }  // by kernel
  std::vector<std::string> failing() const;                             // kernels beyond the limit
  // Records every kernel's largest error.
  void report(Fixture& fixture) const;

 private:
  Device product_;
  std::map<std::string, Worst> worst_;
};

}  // namespace mld::parity
