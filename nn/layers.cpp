#include "nn/layers.h"

#include <cmath>

#include "core/parallel.h"
#include "nn/init.h"

namespace mld {

// ---- convolution --------------------------------------------------------------------------------

Conv2d::Conv2d(int64_t C, int64_t O, int kernel, const Conv2dSpec& spec_, bool with_bias)
    : spec(spec_), weight(Shape{O, kernel, kernel, C / spec.groups}, Parameter::Layout::conv) {
  require(spec.act.kind == Act::identity, "Conv2d: the activation belongs to the norm behind it");
  require(C % spec.groups == 0 && O % spec.groups == 0,
          "Conv2d: {} and {} channels do not divide into {} groups", C, O, spec.groups);
  if (with_bias) {
    bias.emplace(Shape{O});
  }
}

Var Conv2d::operator()(const Var& x) {
  const Var w = cast(as_input(weight, x), x.dtype());
  return bias ? conv2d(x, w, as_input(*bias, x), spec) : conv2d(x, w, spec);
}

void Conv2d::each(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

void Conv2d::reset(RandomStream& random) {
  const Shape& w = weight.shape;
  const int64_t area = w[1] * w[2], fan_out = w[0] / spec.groups * area, fan_in = w[3] * area;
  fill_normal(weight, random, std::sqrt(2.0 / static_cast<double>(fan_out)));
  if (bias) {
    fill_linear_default(*bias, random, fan_in);
  }
}

// ---- batch norm ---------------------------------------------------------------------------------

BatchNorm2d::BatchNorm2d(int64_t C)
    : weight(Shape{C}),
      bias(Shape{C}),
      running_mean(Shape{C}),
      running_var(Shape{C}),
      num_batches_tracked(Shape{}, DType::i64) {}

Var BatchNorm2d::operator()(const Var& x, const ActivationSpec& act, const Var& residual) {
  BatchNormSpec now = spec;
  now.training = training;
  now.act = act;
  if (training) {
    ++num_batches_tracked.value.data<int64_t>()[0];
  }
  return batch_norm(x, as_input(weight, x), as_input(bias, x), running_mean.value,
                    running_var.value, now, residual);
}

void BatchNorm2d::each(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
  v("running_mean", running_mean);
  v("running_var", running_var);
  v("num_batches_tracked", num_batches_tracked);
}

void BatchNorm2d::reset(RandomStream&) {
  fill(weight, 1);
  fill(bias, 0);
  fill(running_mean, 0);
  fill(running_var, 1);
  fill(num_batches_tracked, 0);
}

namespace {

BatchNorm2d::Folded fold(const Conv2d& conv, const BatchNorm2d& bn, DType dtype) {
  const Device device = conv.weight.value.device();
  if (device.is_meta()) {
    const Tensor weight(conv.weight.shape, dtype, device);
    weight.storage()->constant = true;
    return {weight, bn.bias.value.like()};
  }
  const auto host = [](const Tensor& x) { return x.to(Device{}); };
  const Tensor w = host(conv.weight.value), gamma = host(bn.weight.value);
  const Tensor beta = host(bn.bias.value), mean = host(bn.running_mean.value);
  const Tensor var = host(bn.running_var.value);
  const int64_t O = w.shape()[0], row = w.shape().row();
  Tensor scale(Shape{O}), bias(Shape{O});
  for (int64_t o = 0; o < O; ++o) {
    const double m = mean.data<float>()[o];
    const double s = bn.spec.scale(gamma.data<float>()[o]) /
                     std::sqrt(double{var.data<float>()[o]} + bn.spec.eps);
    const double b = conv.bias ? double{host(conv.bias->value).data<float>()[o]} : 0.0;
    scale.data<float>()[o] = static_cast<float>(s);
    bias.data<float>()[o] = static_cast<float>(beta.data<float>()[o] + (b - m) * s);
  }
  Tensor folded(w.shape());
  const float *from = w.data<float>(), *factor = scale.data<float>();
  float* to = folded.data<float>();
  parallel_for(O, std::max<int64_t>(1, (1 << 15) / row), [=](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t i = o * row; i < (o + 1) * row; ++i) {
        to[i] = from[i] * factor[o];
      }
    }
  });
  folded = cast(Var(folded.to(device)), dtype).value;
  folded.storage()->constant = true;  // see Note [Packed weights]
  return {folded, bias.to(device)};
}

}  // namespace

Var conv_bn(Conv2d& conv, BatchNorm2d& bn, const Var& x, const ActivationSpec& act,
            const Var& residual) {
  if (!bn.folds_norms || bn.training || x.tape != nullptr) {
    return bn(conv(x), act, residual);
  }
  if (!bn.folded.weight.defined() || bn.folded.weight.dtype() != x.dtype()) {
    bn.folded = fold(conv, bn, x.dtype());
  }
  Conv2dSpec spec = conv.spec;
  spec.act = act;
  return conv2d_fused(x, Var(bn.folded.weight), Var(bn.folded.bias), residual, spec);
}

// ---- the rest -----------------------------------------------------------------------------------

Linear::Linear(int64_t C, int64_t O, bool with_bias) : weight(Shape{O, C}) {
  if (with_bias) {
    bias.emplace(Shape{O});
  }
}

Var Linear::operator()(const Var& x) {
  const Var w = cast(as_input(weight, x), x.dtype());
  return bias ? linear(x, w, as_input(*bias, x)) : linear(x, w);
}

Var Linear::relu(const Var& x) {
  require(bias.has_value(), "Linear: relu() needs a layer with bias");
  return linear_relu(x, cast(as_input(weight, x), x.dtype()), as_input(*bias, x));
}

void Linear::each(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

void Linear::reset(RandomStream& random) {
  const int64_t fan_in = weight.shape[1];
  fill_linear_default(weight, random, fan_in);
  if (bias) {
    fill_linear_default(*bias, random, fan_in);
  }
}

Var LayerNorm::operator()(const Var& x) {
  return layer_norm(x, as_input(weight, x), as_input(bias, x), spec);
}

void LayerNorm::each(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

void LayerNorm::reset(RandomStream&) {
  fill(weight, 1);
  fill(bias, 0);
}

// The weight of a 1x1 convolution as a matrix, for an input of one pixel a picture.
//   -> [O, C] in x's dtype
static Var as_matrix(Conv2d& conv, const Var& x) {
  const Shape& s = conv.weight.shape;
  return cast(reshape(as_input(conv.weight, x), {s[0], s[3]}), x.dtype());
}

Var SqueezeExcite::operator()(const Var& x) {
  const Shape& s = x.shape();
  const Var mean = mean_tokens(reshape(x, {s[0], s[1] * s[2], s[3]}));                  // [N, C]
  const Var hidden = linear_relu(mean, as_matrix(fc1, x), as_input(*fc1.bias, x));
  const Var gate = sigmoid(linear(hidden, as_matrix(fc2, x), as_input(*fc2.bias, x)));  // [N, C]
  return scale_channels(x, reshape(gate, {s[0], 1, 1, s[3]}));
}

void SqueezeExcite::each(Visitor& v) {
  v("fc1", fc1);
  v("fc2", fc2);
}

Var Dropout::operator()(const Var& x) {
  return training ? dropout(x, p) : x;
}

}  // namespace mld
