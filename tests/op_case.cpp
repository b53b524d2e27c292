// The machinery behind op_case.h.
#include "tests/op_case.h"

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include <doctest/doctest.h>

#include "core/kernels.h"
#include "core/parallel.h"
#include "tests/kernel_watch.h"

namespace mld::test {

// ---- between the two sides ----------------------------------------------------------------------

Tensor to_tensor(const Array& x, DType dtype, Device device) {
  Tensor y(x.shape, dtype);
  for (int64_t i = 0; i < x.numel(); ++i) {
    switch (dtype) {
      case DType::f32: y.data<float>()[i] = static_cast<float>(x[i]); break;
      case DType::bf16: y.data<bf16>()[i] = bf16(static_cast<float>(x[i])); break;
      case DType::i32: y.data<int32_t>()[i] = static_cast<int32_t>(x[i]); break;
      case DType::u8: y.data<uint8_t>()[i] = static_cast<uint8_t>(x[i]); break;
      case DType::i64: y.data<int64_t>()[i] = static_cast<int64_t>(x[i]); break;
    }
  }
  return y.to(device);
}

Array to_array(const Tensor& x) {
  const std::vector<float> values = x.to_vector();
  Array y(x.shape());
  y.values.assign(values.begin(), values.end());
  return y;
}

std::vector<std::vector<double>> directions(int64_t numel) {
  const auto n = static_cast<size_t>(numel);
  std::vector<std::vector<double>> all;
  if (numel <= kFull) {
    all.assign(n, std::vector<double>(n));
    for (size_t i = 0; i < n; ++i) {
      all[i][i] = 1;
    }
    return all;
  }
  RandomStream random({.seed = 5});
  const double length = 1 / std::sqrt(static_cast<double>(numel));
  for (int k = 0; k < kDirections; ++k) {
    std::vector<double>& direction = all.emplace_back(n);
    for (double& element : direction) {
      element = random.coin() ? length : -length;
    }
  }
  return all;
}

// ---- our side -----------------------------------------------------------------------------------

namespace {

// Every row has its own seed, so that adding a row changes no other.
RandomStream stream_of(const std::string& name) {
  uint64_t seed = 0;
  for (const char c : name) {
    seed = seed * 31 + static_cast<unsigned char>(c);
  }
  return RandomStream({.seed = seed});
}

std::vector<Tensor> make_inputs(const OpCase& row, RandomStream& random, Device device,
                                DType dtype) {
  std::vector<Tensor> tensors;
  for (const Input& input : row.inputs) {
    if (input.copy_of >= 0) {
      tensors.push_back(tensors[static_cast<size_t>(input.copy_of)].clone());
      continue;
    }
    Array values(input.shape);
    for (int64_t i = 0; i < values.numel(); ++i) {
      values[i] = input.fill(random, i, input.shape);
    }
    tensors.push_back(to_tensor(values, input.dtype.value_or(dtype), device));
  }
  return tensors;
}

// Records the row once more with gradients already in the parameters: they must double.
void check_accumulation(const OpCase& row, const std::vector<Tensor>& inputs, const Tensor& r,
                        Observed& observed) {
  Tape tape(kTapeKey);
  std::vector<Tensor> sinks(inputs.size());
  Vars vars;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!row.inputs[i].variable) {
      vars.push_back(tape.constant(inputs[i]));
      continue;
    }
    sinks[i] = to_tensor(observed.grads[i], inputs[i].dtype(), inputs[i].device());
    vars.push_back(tape.parameter(inputs[i], &sinks[i]));
  }
  tape.backward(row.ours(vars), r);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (row.inputs[i].variable &&
        to_array(sinks[i]).values != spec::scale(observed.grads[i], 2).values) {
      observed.problems.push_back(
          fmt::format("{}: input {}'s gradient is not added to what is there", observed.where, i));
    }
  }
}

}  // namespace

namespace {

// One CPU thread's float32 results for the observed inputs: they check the elements of large
// results, for which the specification would take hours.
void observe_single(const OpCase& row, Observed& observed) {
  const auto large = [](const Array& x) { return x.numel() > kFull; };
  if (!large(observed.out) &&
      std::none_of(observed.inputs.begin(), observed.inputs.end(), large)) {
    return;
  }
  const int threads = compute_threads();
  set_threads(1);
  Tape tape(kTapeKey);
  Vars vars;
  for (size_t i = 0; i < row.inputs.size(); ++i) {
    const Tensor x = to_tensor(observed.inputs[i], row.inputs[i].dtype.value_or(DType::f32), {});
    vars.push_back(row.inputs[i].variable ? tape.variable(x) : tape.constant(x));
  }
  const Var y = row.ours(vars);
  observed.single_out = to_array(y.value);
  observed.single_grads.resize(row.inputs.size());
  if (y.needs_grad()) {
    tape.backward(y, to_tensor(observed.r, y.dtype(), {}));
    for (size_t i = 0; i < row.inputs.size(); ++i) {
      observed.single_grads[i] = row.inputs[i].variable ? to_array(tape.grad(vars[i])) : Array();
    }
  }
  set_threads(threads);
}

}  // namespace

Observed observe(const OpCase& row, Device device, DType dtype) {
  Observed observed;
  observed.where = fmt::format("{} on {} {}", row.name, device.str(), name_of(dtype));
  const KernelWatch watch = poisoned_outputs(device);
  RandomStream random = stream_of(row.name);
  const std::vector<Tensor> inputs = make_inputs(row, random, device, dtype);
  Tape tape(kTapeKey);
  Vars vars;
  for (size_t i = 0; i < inputs.size(); ++i) {
    observed.inputs.push_back(to_array(inputs[i]));
    vars.push_back(row.inputs[i].variable ? tape.variable(inputs[i]) : tape.constant(inputs[i]));
    if (inputs[i].dtype() == DType::bf16) {
      observed.limit = kLimitBf16;
    }
  }
  const Var y = row.ours(vars);
  if (y.dtype() == DType::bf16) {
    observed.limit = kLimitBf16;
  }
  Array r(y.shape());
  for (double& value : r.values) {
    value = random.uniform(-1, 1);
  }
  const Tensor r_tensor = to_tensor(r, y.dtype(), device);
  observed.out = to_array(y.value);
  observed.r = to_array(r_tensor);
  observed.grads.resize(inputs.size());
  require(y.needs_grad() == row.has_variables(), "{}: is y differentiable?", observed.where);
  if (y.needs_grad()) {
    tape.backward(y, r_tensor);
    for (size_t i = 0; i < inputs.size(); ++i) {
      observed.grads[i] = row.inputs[i].variable ? to_array(tape.grad(vars[i])) : Array();
    }
    check_accumulation(row, inputs, r_tensor, observed);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (to_array(inputs[i]).values != observed.inputs[i].values) {
      observed.problems.push_back(fmt::format("{}: input {} was written to", observed.where, i));
    }
  }
  if (to_array(r_tensor).values != observed.r.values) {
    observed.problems.push_back(fmt::format("{}: dy was written to", observed.where));
  }
  observe_single(row, observed);
  return observed;
}

// ---- the specification's side -------------------------------------------------------------------

Expected expect(const OpCase& row, const Observed& observed) {
  Expected expected;
  expected.out = row.spec(observed.inputs);
  expected.slopes.resize(observed.inputs.size());
  Arrays inputs = observed.inputs;
  const auto objective = [&] {
    const Array y = row.spec(inputs);
    double sum = 0;
    for (int64_t i = 0; i < std::min(y.numel(), observed.r.numel()); ++i) {
      sum += y[i] * observed.r[i];
    }
    return sum;
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!row.inputs[i].variable) {
      continue;
    }
    // The sum's rounding error grows with its terms, so a long sum gets a longer step; a random
    // direction still moves each element by less than 1e-5.
    const double terms = static_cast<double>(inputs[i].numel() <= kFull ? 1 : inputs[i].numel());
    const double length = 1e-5 * std::pow(terms, 0.25);
    for (const std::vector<double>& direction : directions(inputs[i].numel())) {
      const auto at = [&](double step) {
        for (size_t j = 0; j < direction.size(); ++j) {
          inputs[i].values[j] = observed.inputs[i].values[j] + step * direction[j];
        }
        return objective();
      };
      expected.slopes[i].push_back((at(length) - at(-length)) / (2 * length));
    }
    inputs[i] = observed.inputs[i];
  }
  return expected;
}

// ---- the comparison -----------------------------------------------------------------------------

std::vector<std::string> failures(const Observed& observed, const Expected& expected,
                                  double* worst) {
  std::vector<std::string> found = observed.problems;
  const auto compare = [&](const std::string& what, const std::vector<double>& a,
                           const std::vector<double>& b) {
    const double error = largest_error(a, b);
    if (worst != nullptr) {
      *worst = std::max(*worst, error);
    }
    if (!(error <= observed.limit)) {
      found.push_back(fmt::format("{}: {} has error {:.2e}, limit {:.2e}", observed.where, what,
                                  error, observed.limit));
    }
  };
  if (observed.out.shape != expected.out.shape) {
    found.push_back(fmt::format("{}: y is {}, expected {}", observed.where,
                                observed.out.shape, expected.out.shape));
    return found;
  }
  compare("y", observed.out.values, expected.out.values);
  for (size_t i = 0; i < expected.slopes.size(); ++i) {
    if (expected.slopes[i].empty()) {
      continue;
    }
    std::vector<double> slopes;
    for (const std::vector<double>& direction : directions(observed.grads[i].numel())) {
      slopes.push_back(0);
      for (size_t j = 0; j < direction.size(); ++j) {
        slopes.back() += direction[j] * observed.grads[i].values[j];
      }
    }
    compare(fmt::format("the gradient of input {}", i), slopes, expected.slopes[i]);
  }
  if (!observed.single_out.values.empty()) {
    compare("y, against one thread,", observed.out.values, observed.single_out.values);
    for (size_t i = 0; i < observed.grads.size(); ++i) {
      compare(fmt::format("the gradient of input {}, against one thread,", i),
              observed.grads[i].values, observed.single_grads[i].values);
    }
  }
  return found;
}

}  // namespace mld::test
