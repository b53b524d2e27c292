// The other float64 kernels: movement, dropout, activations, LAMB, Adam and averages.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "tests/parity/float64.h"

namespace mld::parity {
namespace {

void copy(const Tensor& x, Tensor& y) {
  if (x.dtype() == DType::f32) {
    write_doubles(y, read_doubles(x));
  } else {
    cpu::copy(x, y);
  }
}

void add(const Tensor& a, const Tensor& b, Tensor& y) {
  Doubles out = read_doubles(a);
  const Doubles other = read_doubles(b);
  std::transform(out.begin(), out.end(), other.begin(), out.begin(), std::plus<>());
  write_doubles(y, out);
}

void scale(const Tensor& x, float factor, Tensor& y) {
  Doubles out = read_doubles(x);
  for (double& value : out) {
    value *= static_cast<double>(factor);
  }
  write_doubles(y, out);
}

void dropout(const Tensor& x, const DropoutSpec& spec, Tensor& y) {
  Doubles out = read_doubles(x);
  for (size_t i = 0; i < out.size(); ++i) {
    const double factor = dropout_factor(spec, i);
    out[i] = factor == 0 ? 0 : out[i] * factor;
  }
  write_doubles(y, out);
}

void drop_path(const Tensor& x, const DropoutSpec& spec, Tensor& y) {
  Doubles out = read_doubles(x);
  const size_t row = static_cast<size_t>(x.shape().row());
  for (size_t i = 0; i < out.size(); ++i) {
    const double factor = dropout_factor(spec, i / row);
    out[i] = factor == 0 ? 0 : out[i] * factor;
  }
  write_doubles(y, out);
}

void gaussian_noise(const Tensor& x, const NoiseSpec& spec, Tensor& y) {
  Doubles out = read_doubles(x);
  RandomKey key = spec.key;
  if (spec.step.defined()) {  // Note [Replay] in core/specs.h
    key.step = static_cast<uint64_t>(spec.step.to(Device{}).data<int64_t>()[0]);
  }
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] += static_cast<double>(spec.std) * random_normal<double>(key, i);
  }
  write_doubles(y, out);
}

void transpose(const Tensor& x, Tensor& y) {
  const auto rows = static_cast<size_t>(x.shape()[1]), columns = static_cast<size_t>(x.shape()[2]);
  const Doubles in = read_doubles(x);
  Doubles out(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t at = i % (rows * columns);
    out[i - at + at % columns * rows + at / columns] = in[i];
  }
  write_doubles(y, out);
}

void repeat_rows(const Tensor& x, Tensor& y) {
  const Doubles in = read_doubles(x);
  Doubles out;
  out.reserve(static_cast<size_t>(y.numel()));
  while (out.size() < static_cast<size_t>(y.numel())) {
    out.insert(out.end(), in.begin(), in.end());
  }
  write_doubles(y, out);
}

// Calls visit(element of the tokens, element of the slice) for a slice [N, T, C] of [N, L, C].
template <class Visit>
void for_each_in_slice(const Shape& all, const Shape& slice, int64_t begin, Visit&& visit) {
  const int64_t C = slice[2];
  for (int64_t i = 0; i < slice.numel(); ++i) {
    const int64_t n = i / (slice[1] * C), t = i / C % slice[1];
    visit(static_cast<size_t>((n * all[1] + begin + t) * C + i % C), static_cast<size_t>(i));
  }
}

void join_tokens(const Tensor& a, const Tensor& b, Tensor& y) {
  Doubles out(static_cast<size_t>(y.numel()));
  const Doubles first = read_doubles(a), second = read_doubles(b);
  for_each_in_slice(y.shape(), a.shape(), 0, [&](size_t to, size_t i) { out[to] = first[i]; });
  for_each_in_slice(y.shape(), b.shape(), a.shape()[1],
                    [&](size_t to, size_t i) { out[to] = second[i]; });
  write_doubles(y, out);
}

void slice_tokens_forward(const Tensor& x, int64_t begin, Tensor& y) {
  Doubles out(static_cast<size_t>(y.numel()));
  const Doubles in = read_doubles(x);
  for_each_in_slice(x.shape(), y.shape(), begin, [&](size_t from, size_t i) { out[i] = in[from]; });
  write_doubles(y, out);
}

void slice_tokens_backward(const Tensor& dy, int64_t begin, Tensor& dx) {
  Doubles out(static_cast<size_t>(dx.numel()), 0.0);
  const Doubles grad = read_doubles(dy);
  for_each_in_slice(dx.shape(), dy.shape(), begin, [&](size_t to, size_t i) { out[to] = grad[i]; });
  write_doubles(dx, out);
}

void sum_rows(const Tensor& x, Tensor& y) {
  const Doubles in = read_doubles(x);
  Doubles out(static_cast<size_t>(y.numel()), 0.0);
  for (size_t i = 0; i < in.size(); ++i) {
    out[i % out.size()] += in[i];
  }
  write_doubles(y, out);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// f(x) and f'(x).
struct Activated {
  double value, slope;
};

Activated activated(Act kind, double x) {
  const double s = sigmoid(x), quick = sigmoid(1.702 * x);
  switch (kind) {
    case Act::relu: return {std::max(x, 0.0), x > 0 ? 1.0 : 0.0};
    case Act::sigmoid: return {s, s * sigmoid(-x)};
    case Act::quick_gelu: return {x * quick, quick + 1.702 * x * quick * sigmoid(-1.702 * x)};
    case Act::exponential: return {std::exp(x), std::exp(x)};
    default: fail("float64: of the activations only relu, sigmoid, quick_gelu and exponential");
  }
}

void activation_forward(const Tensor& x, const ActivationSpec& spec, Tensor& y) {
  Doubles out = read_doubles(x);
  for (double& value : out) {
    value = activated(spec.kind, value).value;
  }
  write_doubles(y, out);
}

void activation_backward(const Tensor& dy, const Tensor& x, const ActivationSpec& spec,
                         Tensor& dx) {
  Doubles out = read_doubles(dy);
  const Doubles in = read_doubles(x);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] *= activated(spec.kind, in[i]).slope;
  }
  write_doubles(dx, out);
}

double norm(const Doubles& x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0));
}

void global_norm(const std::vector<Tensor>& tensors, Tensor& y) {
  double squares = 0;
  for (const Tensor& x : tensors) {
    squares += std::pow(norm(read_doubles(x)), 2);
  }
  write_doubles(y, {std::sqrt(squares)});
}

void lamb_step(const std::vector<AdamSlot>& slots, const LambSpec& spec) {
  require(spec.timm, "float64: LAMB in timm's form only");
  double squares = 0;
  for (const AdamSlot& slot : slots) {
    squares += std::pow(norm(read_doubles(slot.grad)), 2);
  }
  const double clip = std::max(1.0, std::sqrt(squares) / static_cast<double>(spec.max_grad_norm));
  const StepRates& rates = *rates_in(spec.rates);  // the corrections are float32: 6e-8 of them
  const double b1 = rates.beta1, b2 = spec.beta2;
  const double m_scale = rates.m_correction, v_scale = rates.root_correction;
  for (const AdamSlot& slot : slots) {
    Doubles value = read_doubles(slot.value), m = read_doubles(slot.m), v = read_doubles(slot.v);
    const Doubles grad = read_doubles(slot.grad);
    const double decay = slot.weight_decay;
    Doubles u(value.size());
    for (size_t i = 0; i < u.size(); ++i) {
      const double g = grad[i] / clip;
      m[i] = b1 * m[i] + (1 - b1) * g;
      v[i] = b2 * v[i] + (1 - b2) * g * g;
      u[i] = m[i] * m_scale / (std::sqrt(v[i]) * v_scale + static_cast<double>(spec.eps)) +
             decay * value[i];
    }
    const double weights = norm(value), update = norm(u);
    const double ratio = decay != 0 && weights > 0 && update > 0 ? weights / update : 1;
    for (size_t i = 0; i < u.size(); ++i) {
      value[i] -= double{rates.lr} * double{slot.lr_scale} * ratio * u[i];
    }
    write_doubles(slot.value, value);
    write_doubles(slot.m, m);
    write_doubles(slot.v, v);
  }
}

void adam_step(const std::vector<AdamSlot>& slots, const AdamSpec& spec) {
  const StepRates& rates = *rates_in(spec.rates);
  const double b1 = rates.beta1, b2 = spec.beta2, eps = spec.eps;
  for (const AdamSlot& slot : slots) {
    Doubles value = read_doubles(slot.value), m = read_doubles(slot.m), v = read_doubles(slot.v);
    const Doubles grad = read_doubles(slot.grad);
    const double decay = slot.weight_decay, lr = double{rates.lr} * double{slot.lr_scale};
    for (size_t i = 0; i < value.size(); ++i) {
      const double g = grad[i] + (spec.decoupled ? 0 : decay * value[i]);
      m[i] = b1 * m[i] + (1 - b1) * g;
      v[i] = b2 * v[i] + (1 - b2) * g * g;
      value[i] -= spec.decoupled ? lr * decay * value[i] : 0;
      value[i] -= lr * m[i] * static_cast<double>(rates.m_correction) /
                  (std::sqrt(v[i]) * static_cast<double>(rates.root_correction) + eps);
    }
    write_doubles(slot.value, value);
    write_doubles(slot.m, m);
    write_doubles(slot.v, v);
  }
}

void ema_update(const std::vector<std::pair<Tensor, Tensor>>& average_and_value, double decay) {
  for (const auto& [average, value] : average_and_value) {
    Doubles out = read_doubles(average);
    const Doubles target = read_doubles(value);
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] += (1 - decay) * (target[i] - out[i]);
    }
    Tensor to = average;
    write_doubles(to, out);
  }
}

}  // namespace

void add_float64_updates(KernelTable& table) {
  table.copy = copy;
  table.add = add;
  table.scale = scale;
  table.dropout = dropout;
  table.drop_path = drop_path;
  table.gaussian_noise = gaussian_noise;
  table.transpose = transpose;
  table.repeat_rows = repeat_rows;
  table.join_tokens = join_tokens;
  table.slice_tokens_forward = slice_tokens_forward;
  table.slice_tokens_backward = slice_tokens_backward;
  table.sum_rows = sum_rows;
  table.global_norm = global_norm;
  table.activation_forward = activation_forward;
  table.activation_backward = activation_backward;
  table.lamb_step = lamb_step;
  table.adam_step = adam_step;
  table.ema_update = ema_update;
}

}  // namespace mld::parity
