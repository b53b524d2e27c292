// Op rows: one row is an op, the shapes of its inputs, our call and the specification's.
//
// For every row, device and dtype: our forward result is compared with the specification (spec.h),
// and our gradient of sum(y * R), R random, with the specification's numeric gradient, in float64:
// element by element for inputs of up to kFull elements, else along random directions; larger rows
// are also compared element by element with one CPU thread's float32 result for the same inputs.
// Gradients are also added to accumulators that are not zero, and inputs must stay untouched.
// Outputs hold NaN before each call of a kernel.
// The error is max |ours - spec| / max |spec|; the limits are 1e-5 in float32 and 2^-7 in bfloat16,
// where the specification gets the rounded inputs.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autograd/ops.h"
#include "tests/measure.h"
#include "tests/spec.h"

namespace mld::test {

using spec::Array;
using spec::Arrays;
using Vars = std::vector<Var>;

inline constexpr double kLimitF32 = 1e-5, kLimitBf16 = 0x1p-7;
inline constexpr int64_t kFull = 200;  // more elements than this: random directions
inline constexpr int kDirections = 8;  // enough for the largest to show the gradient's size
// The rows' tape; its first op that draws random numbers gets the key kFirstDraw.
inline constexpr RandomKey kTapeKey{.seed = 11, .step = 3};
inline constexpr RandomKey kFirstDraw{.seed = 11, .step = 3, .stream = 1u << 16};

// ---- inputs -------------------------------------------------------------------------------------

// Element i of an input of this shape.
using Fill = std::function<double(RandomStream& random, int64_t i, const Shape& shape)>;

inline Fill uniform(double low, double high) {
  return [=](RandomStream& random, int64_t, const Shape&) { return random.uniform(low, high); };
}

// An input: its shape, values, dtype. {2, 3} means uniform in [-2, 2), in the row's dtype.
struct Input {
  Shape shape;
  Fill fill = uniform(-2, 2);
  std::optional<DType> dtype{};  // none: the row's, float32 or bfloat16
  bool variable = true;          // its gradient is checked
  int copy_of = -1;              // the values of this earlier input

  Input(std::initializer_list<int64_t> dims) : shape(dims) {}
  Input(const Shape& shape_, Fill fill_) : shape(shape_), fill(std::move(fill_)) {}
  Input as(DType dtype_) const {
    Input input = *this;
    input.dtype = dtype_;
    return input;
  }
  Input constant() const {
    Input input = *this;
    input.variable = false;
    return input;
  }
};

// A parameter that stays float32: biases, norm scales, logits.
inline Input f32(const Shape& shape, Fill fill = uniform(-2, 2)) {
  return Input(shape, std::move(fill)).as(DType::f32);
}
// At least 0.1 from zero, where ReLU has its kink.
inline Input away_from_zero(const Shape& shape) {
  return {shape, [](RandomStream& random, int64_t, const Shape&) {
            const double size = random.uniform(0.1, 2);
            return random.coin() ? size : -size;
          }};
}
// Different multiples of 1/16, exact in bfloat16, so that no maximum is close to a tie.
inline Input distinct(const Shape& shape) {
  require(shape.numel() <= 256, "distinct: {} has more than 256 elements", shape);
  return {shape, [](RandomStream&, int64_t i, const Shape& s) {
            return static_cast<double>(i * 7919 % s.numel() - s.numel() / 2) / 16;
          }};
}
// Targets: zeros and ones, distributions, one label a row.
inline Input labels(const Shape& shape) {
  return f32(shape, [](RandomStream& random, int64_t, const Shape&) {
           return random.coin(0.4) ? 1.0 : 0.0;
         }).constant();
}
inline Input soft_labels(const Shape& shape) { return f32(shape, uniform(0, 1)).constant(); }
inline Input one_hot(const Shape& shape) {
  return f32(shape, [](RandomStream&, int64_t i, const Shape& s) {
           const int64_t row = i / s[1], label = (5 * row + 1) % s[1];
           return i % s[1] == label ? 1.0 : 0.0;
         }).constant();
}
// Ids of a table's rows.
inline Input ids(const Shape& shape, int count) {
  return Input(shape, [count](RandomStream& random, int64_t, const Shape&) {
           return static_cast<double>(random.below(count));
         }).as(DType::i32).constant();
}
// The values of an earlier float32 input, not differentiated.
inline Input copy_of(int index) {
  Input input = f32({}).constant();
  input.copy_of = index;
  return input;
}

// ---- rows ---------------------------------------------------------------------------------------

struct OpCase {
  std::string name;  // "op, what is special": the op's name up to the first comma
  std::vector<Input> inputs;
  std::function<Var(const Vars&)> ours;
  std::function<Array(const Arrays&)> spec;

  bool has_variables() const {
    return std::any_of(inputs.begin(), inputs.end(), [](const Input& x) { return x.variable; });
  }
  bool follows_dtype() const {
    return std::any_of(inputs.begin(), inputs.end(), [](const Input& x) { return !x.dtype; });
  }
};

// Our results for a row.
struct Observed {
  std::string where;  // "conv2d, one pixel on cpu float32"
  double limit = kLimitF32;
  Arrays inputs;  // rounded to their dtypes
  Array out, r;   // y and R
  Arrays grads;   // of sum(y * R); empty for constants
  // The same in float32 on one CPU thread; empty where every input is small (up to kFull elements).
  Array single_out;
  Arrays single_grads;
  std::vector<std::string> problems;  // accumulation and untouched inputs, checked exactly
};

// The specification's results for the same inputs.
struct Expected {
  Array out;
  std::vector<std::vector<double>> slopes;  // per input, along directions()
};

Tensor to_tensor(const Array& x, DType dtype, Device device);
Array to_array(const Tensor& x);

// Unit vectors for small inputs, else random directions of length one.   -> [count][numel]
std::vector<std::vector<double>> directions(int64_t numel);

Observed observe(const OpCase& row, Device device, DType dtype);
Expected expect(const OpCase& row, const Observed& observed);
// Everything that is wrong, one line each; `worst`, if given, is raised to the largest error.
std::vector<std::string> failures(const Observed& observed, const Expected& expected,
                                  double* worst = nullptr);

// The CPU, and a CUDA device where there is one.
std::vector<Device> devices();

// Runs the rows on every device in both dtypes and reports failures to doctest.
void check_rows(const std::vector<OpCase>& rows);
// For every row, output and input: spoils our result (one percent, one element, sign, order,
// nothing at all) and reports to doctest whatever the checks above do not notice.
void check_planted_errors(const std::vector<OpCase>& rows);

}  // namespace mld::test
