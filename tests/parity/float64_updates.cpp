// The other float64 kernels: movement, dropout, ReLU and sigmoid, LAMB, Adam and averages.
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

void sum_rows(const Tensor& x, Tensor& y) {
  const Doubles in = read_doubles(x);
  Doubles out(static_cast<size_t>(y.numel()), 0.0);
  for (size_t i = 0; i < in.size(); ++i) {
    out[i % out.size()] += in[i];
  }
  write_doubles(y, out);
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

void activation_forward(const Tensor& x, const ActivationSpec& spec, Tensor& y) {
  require(spec.kind == Act::relu || spec.kind == Act::sigmoid,
          "float64: of the activations only relu and sigmoid");
  Doubles out = read_doubles(x);
  for (double& value : out) {
    value = spec.kind == Act::relu ? std::max(value, 0.0) : sigmoid(value);
  }
  write_doubles(y, out);
}

void activation_backward(const Tensor& dy, const Tensor& x, const ActivationSpec& spec,
                         Tensor& dx) {
  require(spec.kind == Act::relu || spec.kind == Act::sigmoid,
          "float64: of the activations only relu and sigmoid");
  Doubles out = read_doubles(dy);
  const Doubles in = read_doubles(x);
  for (size_t i = 0; i < out.size(); ++i) {
    const double slope =
        spec.kind == Act::relu ? (in[i] > 0 ? 1 : 0) : sigmoid(in[i]) * sigmoid(-in[i]);
    out[i] *= slope;
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
  table.sum_rows = sum_rows;
  table.global_norm = global_norm;
  table.activation_forward = activation_forward;
  table.activation_backward = activation_backward;
  table.lamb_step = lamb_step;
  table.adam_step = adam_step;
  table.ema_update = ema_update;
}

}  // namespace mld::parity
