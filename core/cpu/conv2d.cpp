// Convolution on oneDNN: activations stay NHWC, the weights go to the format oneDNN asks for.
#include "core/cpu/gemm.h"
#include "core/cpu/onednn.h"
#include "core/kernels.h"
#include "core/parallel.h"

namespace mld::cpu {
namespace {

using Memory = dnnl::memory;
constexpr auto kF32 = Memory::data_type::f32;

struct Problem {
  Shape x, w, y;  // [N, H, W, C], [O, KH, KW, C/groups], [N, OH, OW, O]
  Conv2dSpec spec;

  Memory::dims strides() const { return {spec.stride, spec.stride}; }
  Memory::dims dilates() const { return {spec.dilation - 1, spec.dilation - 1}; }
  Memory::dims pad_left() const { return {spec.pad, spec.pad}; }
  Memory::dims pad_right() const {
    const auto one = [&](int64_t in, int64_t kernel, int64_t out) {
      return (out - 1) * spec.stride + (kernel - 1) * spec.dilation + 1 - in - spec.pad;
    };
    return {one(x[1], w[1], y[1]), one(x[2], w[2], y[2])};
  }
  static Memory::desc picture(const Shape& s) {
    return Memory::desc({s[0], s[3], s[1], s[2]}, kF32, Memory::format_tag::nhwc);
  }
  Memory::dims weight_dims() const {
    if (spec.groups == 1) {
      return {w[0], w[3], w[1], w[2]};
    }
    return {spec.groups, w[0] / spec.groups, w[3], w[1], w[2]};
  }
  Memory::desc weight_any() const { return {weight_dims(), kF32, Memory::format_tag::any}; }
  Memory::desc weight_plain() const {  // OHWI
    const int64_t row = w[1] * w[2] * w[3];
    Memory::dims strides = {row, 1, w[2] * w[3], w[3]};
    if (spec.groups > 1) {
      strides.insert(strides.begin(), row * w[0] / spec.groups);
    }
    return {weight_dims(), kF32, strides};
  }
  std::string key(const char* direction, bool bias, bool residual) const {
    return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {}", direction, x, w, spec.stride, spec.pad,
                       spec.dilation, spec.groups, static_cast<int>(spec.act.kind), spec.act.slope,
                       bias, residual, compute_threads());
  }
};

// A primitive with the weight format it wants.
struct Plan {
  dnnl::primitive primitive;
  Memory::desc weight, scratchpad;
};

OnednnCache<Plan>& plans() {
  static OnednnCache<Plan> cache(1024);
  return cache;
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

using Forward = dnnl::convolution_forward;

Forward::primitive_desc forward_desc(const Problem& p, bool bias, bool residual) {
  dnnl::primitive_attr attr = attributes();
  dnnl::post_ops post;
  if (residual) {
    post.append_binary(dnnl::algorithm::binary_add, Problem::picture(p.y));
  }
  if (p.spec.act.kind != Act::identity) {
    const float slope = p.spec.act.kind == Act::leaky_relu ? p.spec.act.slope : 0.0f;
    post.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, slope, 0.0f);
  }
  attr.set_post_ops(post);
  const Memory::desc bias_desc = bias ? Memory::desc({p.w[0]}, kF32, Memory::format_tag::a)
                                      : Memory::desc();
  return {{dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct,
           Problem::picture(p.x), p.weight_any(), bias_desc, Problem::picture(p.y), p.strides(),
           p.dilates(), p.pad_left(), p.pad_right()},
          attr, onednn_engine()};
}

// The weight in the plan's format, kept with the tensor if it is constant (Note [Packed weights]).
Memory packed_weight(const Tensor& w, const Tensor& wide, const Problem& p, const Plan& plan) {
  const Memory::desc plain = p.weight_plain();
  if (plan.weight == plain) {
    return onednn_memory(plain, wide);
  }
  if (w.storage()->constant && w.storage()->packed != nullptr) {
    const auto kept = std::static_pointer_cast<Memory>(w.storage()->packed);
    if (kept->get_desc() == plan.weight) {
      return *kept;
    }
  }
  Memory packed(plan.weight, onednn_engine());
  Memory source = onednn_memory(plain, wide);
  dnnl::reorder(source, packed).execute(onednn_stream(), source, packed);
  if (w.storage()->constant) {
    w.storage()->packed = std::make_shared<Memory>(packed);
  }
  return packed;
}

void execute(const Plan& plan, std::unordered_map<int, Memory> arguments) {
  Tensor scratch(Shape{static_cast<int64_t>(plan.scratchpad.get_size())}, DType::u8);
  arguments.emplace(DNNL_ARG_SCRATCHPAD, onednn_memory(plan.scratchpad, scratch));
  plan.primitive.execute(onednn_stream(), arguments);
  onednn_stream().wait();
}

}  // namespace

void conv2d_forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual,
                    const Conv2dSpec& spec, Tensor& y) {
  const Problem p{x.shape(), w.shape(), y.shape(), spec};
  const auto plan = plans().get(p.key("forward", bias.defined(), residual.defined()), [&] {
    const auto desc = forward_desc(p, bias.defined(), residual.defined());
    return Plan{Forward(desc), desc.weights_desc(), desc.scratchpad_desc()};
  });
  const Tensor wx = widened(x), ww = widened(w), wr = widened(residual);
  Tensor wy = wide_like(y);
  std::unordered_map<int, Memory> arguments = {
      {DNNL_ARG_SRC, onednn_memory(Problem::picture(p.x), wx)},
      {DNNL_ARG_WEIGHTS, packed_weight(w, ww, p, *plan)},
      {DNNL_ARG_DST, onednn_memory(Problem::picture(p.y), wy)}};
  if (bias.defined()) {
    arguments.emplace(DNNL_ARG_BIAS,
                      onednn_memory({{p.w[0]}, kF32, Memory::format_tag::a}, bias));
  }
  if (residual.defined()) {
    arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                      onednn_memory(Problem::picture(p.y), wr));
  }
  execute(*plan, arguments);
  narrow(wy, y);
}

void conv2d_backward_data(const Tensor& dy, const Tensor& w, const Conv2dSpec& spec, Tensor& dx) {
  const Problem p{dx.shape(), w.shape(), dy.shape(), spec};
  const auto plan = plans().get(p.key("backward_data", false, false), [&] {
    const dnnl::convolution_backward_data::primitive_desc desc(
        {dnnl::algorithm::convolution_direct, Problem::picture(p.x), p.weight_any(),
         Problem::picture(p.y), p.strides(), p.dilates(), p.pad_left(), p.pad_right()},
        attributes(), onednn_engine(), forward_desc({p.x, p.w, p.y, {spec.stride, spec.pad,
        spec.dilation, spec.groups, {}}}, false, false));
    return Plan{dnnl::convolution_backward_data(desc), desc.weights_desc(), desc.scratchpad_desc()};
  });
  const Tensor wdy = widened(dy), ww = widened(w);
  Tensor wdx = wide_like(dx);
  execute(*plan, {{DNNL_ARG_DIFF_DST, onednn_memory(Problem::picture(p.y), wdy)},
                  {DNNL_ARG_WEIGHTS, packed_weight(w, ww, p, *plan)},
                  {DNNL_ARG_DIFF_SRC, onednn_memory(Problem::picture(p.x), wdx)}});
  narrow(wdx, dx);
}

void conv2d_backward_weight(const Tensor& dy, const Tensor& x, const Conv2dSpec& spec, Tensor& dw) {
  const Problem p{x.shape(), dw.shape(), dy.shape(), spec};
  const auto plan = plans().get(p.key("backward_weight", false, false), [&] {
    const dnnl::convolution_backward_weights::primitive_desc desc(
        {dnnl::algorithm::convolution_direct, Problem::picture(p.x), p.weight_any(),
         Problem::picture(p.y), p.strides(), p.dilates(), p.pad_left(), p.pad_right()},
        attributes(), onednn_engine(), forward_desc({p.x, p.w, p.y, {spec.stride, spec.pad,
        spec.dilation, spec.groups, {}}}, false, false));
    return Plan{dnnl::convolution_backward_weights(desc), desc.diff_weights_desc(),
                desc.scratchpad_desc()};
  });
  const Tensor wdy = widened(dy), wx = widened(x);
  Tensor wdw = wide_like(dw);
  const bool plain = plan->weight == p.weight_plain();
  Memory result = plain ? onednn_memory(plan->weight, wdw) : Memory(plan->weight, onednn_engine());
  execute(*plan, {{DNNL_ARG_SRC, onednn_memory(Problem::picture(p.x), wx)},
                  {DNNL_ARG_DIFF_DST, onednn_memory(Problem::picture(p.y), wdy)},
                  {DNNL_ARG_DIFF_WEIGHTS, result}});
  if (!plain) {
    Memory target = onednn_memory(p.weight_plain(), wdw);
    dnnl::reorder(result, target).execute(onednn_stream(), result, target);
    onednn_stream().wait();
  }
  narrow(wdw, dw);
}

}  // namespace mld::cpu
