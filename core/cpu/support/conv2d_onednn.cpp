// Convolution by oneDNN, from and to NHWC tensors. Primitives are built once per shape.
#include <mutex>

#include "core/cpu/support/conv2d.h"
#include "core/cpu/support/epilogue.h"
#include "core/cpu/support/onednn.h"
#include "core/kernels.h"
#include "core/parallel.h"

namespace mld::cpu {
namespace {

using Memory = dnnl::memory;
using Arguments = std::unordered_map<int, Memory>;
constexpr auto kF32 = Memory::data_type::f32;

// A problem in oneDNN's terms: dimensions are listed N, C, H, W whatever the layout.
struct Geometry {
  ConvProblem p;
  bool blocked;

  Memory::dims strides() const { return {p.spec.stride, p.spec.stride}; }
  Memory::dims dilates() const { return {p.spec.dilation - 1, p.spec.dilation - 1}; }
  Memory::dims pad_left() const { return {p.top(), p.left()}; }
  Memory::dims pad_right() const {  // what the last window needs
    const auto one = [&](int axis) {
      return (p.y[axis] - 1) * p.spec.stride + p.spec.span(p.w[axis]) - p.x[axis];
    };
    return {one(1) - p.top(), one(2) - p.left()};
  }
  static Memory::desc nhwc(const Shape& s) {
    return {{s[0], s[3], s[1], s[2]}, kF32, Memory::format_tag::nhwc};
  }
  Memory::desc activation(const Shape& s) const {
    return {{s[0], s[3], s[1], s[2]}, kF32,
            blocked ? Memory::format_tag::any : Memory::format_tag::nhwc};
  }
  Memory::dims weight_dims() const {
    const Shape& w = p.w;
    if (p.spec.groups == 1) {
      return {w[0], w[3], w[1], w[2]};
    }
    return {p.spec.groups, w[0] / p.spec.groups, w[3], w[1], w[2]};
  }
  Memory::desc weight_any() const { return {weight_dims(), kF32, Memory::format_tag::any}; }
  Memory::desc weight_ohwi() const {
    const Shape& w = p.w;
    Memory::dims strides = {w[1] * w[2] * w[3], 1, w[2] * w[3], w[3]};
    if (p.spec.groups > 1) {
      strides.insert(strides.begin(), strides[0] * (w[0] / p.spec.groups));
    }
    return {weight_dims(), kF32, strides};
  }
  std::string key(const char* direction, bool bias, bool residual) const {
    const Conv2dSpec& s = p.spec;
    return fmt::format("{} {} {} {} {} {} {} {} {} {} {} {} {} {}", direction, blocked, p.x, p.w,
                       s.stride, s.pad, s.same, s.dilation, s.groups,
                       static_cast<int>(s.act.kind), s.act.slope, bias, residual,
                       compute_threads());
  }
};

// A primitive and the layouts it wants; x, w, y also stand for their gradients.
struct Plan {
  dnnl::primitive primitive;
  Memory::desc x, w, y, scratchpad;
};

std::shared_ptr<const Plan> plan_of(const std::string& key, const auto& make) {
  static OnednnCache<Plan> cache(1024);
  return cache.get(key, make);
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

dnnl::convolution_forward::primitive_desc forward_desc(const Geometry& g, bool bias,
                                                       bool residual) {
  dnnl::primitive_attr attr = attributes();
  dnnl::post_ops post;
  const ActivationSpec& act = g.p.spec.act;
  if (residual) {
    post.append_binary(dnnl::algorithm::binary_add, Geometry::nhwc(g.p.y));
  }
  if (act.kind == Act::leaky_relu) {
    post.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, act.slope, 0.0f);
  }
  attr.set_post_ops(post);
  const Memory::desc bias_desc =
      bias ? Memory::desc({g.p.w[0]}, kF32, Memory::format_tag::a) : Memory::desc();
  return {{dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct,
           g.activation(g.p.x), g.weight_any(), bias_desc, g.activation(g.p.y), g.strides(),
           g.dilates(), g.pad_left(), g.pad_right()},
          attr, onednn_engine()};
}

// The hint both backward descriptors need: their forward pass, without an epilogue.
dnnl::convolution_forward::primitive_desc forward_hint(Geometry g) {
  g.p.spec.act = {};
  return forward_desc(g, false, false);
}

// Memory in the wanted layout, and the reorders from and to tensors. Temporary blocks come from
// the pool and live as long as this object.
class Operand {
 public:
  Operand(const Memory::desc& wanted, const Memory::desc& given, const Tensor& tensor)
      : tensor_(tensor), given_(given), direct_(wanted == given) {
    if (!direct_) {
      block_ = Tensor(Shape{static_cast<int64_t>(wanted.get_size())}, DType::u8);
    }
    memory_ = onednn_memory(wanted, direct_ ? tensor_ : block_);
  }
  // Fills the wanted layout from the tensor.
  const Memory& load() {
    if (!direct_) {
      Memory source = onednn_memory(given_, tensor_);
      dnnl::reorder(source, memory_).execute(onednn_stream(), source, memory_);
    }
    return memory_;
  }
  const Memory& target() const { return memory_; }
  // Brings the result back to the tensor.
  void store() {
    if (!direct_) {
      Memory result = onednn_memory(given_, tensor_);
      dnnl::reorder(memory_, result).execute(onednn_stream(), memory_, result);
    }
  }

 private:
  Tensor tensor_, block_;
  Memory::desc given_;
  bool direct_;
  Memory memory_;
};

// The weight in the plan's layout. See Note [Packed weights] in core/tensor.h.
struct PackedWeight {
  const void* source;  // storages are shared: the view that was packed
  Memory::desc desc;
  Tensor block;
};

Tensor packed_weight(const Tensor& w, const Geometry& g, const Memory::desc& wanted) {
  const Memory::desc plain = g.weight_ohwi();
  if (wanted == plain) {
    return w;
  }
  static std::mutex mutex;
  Storage& storage = *w.storage();
  if (storage.constant) {
    const std::lock_guard lock(mutex);
    const auto kept = std::static_pointer_cast<PackedWeight>(storage.packed);
    if (kept != nullptr && kept->source == w.raw() && kept->desc == wanted) {
      return kept->block;
    }
  }
  const Tensor block(Shape{static_cast<int64_t>(wanted.get_size())}, DType::u8);
  Memory source = onednn_memory(plain, w), packed = onednn_memory(wanted, block);
  dnnl::reorder(source, packed).execute(onednn_stream(), source, packed);
  if (storage.constant) {
    const std::lock_guard lock(mutex);
    storage.packed = std::make_shared<PackedWeight>(PackedWeight{w.raw(), wanted, block});
  }
  return block;
}

// Whether some output along this axis sees nothing but padding.
bool has_blind_window(int64_t in, int64_t kernel, const Conv2dSpec& spec) {
  for (int64_t o = 0; o < spec.out(in, kernel); ++o) {
    bool sees = false;
    for (int64_t k = 0; k < kernel; ++k) {
      const int64_t i = o * spec.stride - spec.before(in, kernel) + k * spec.dilation;
      sees = sees || (i >= 0 && i < in);
    }
    if (!sees) {
      return true;
    }
  }
  return false;
}

// oneDNN 2.6 drops or garbles a binary post-op where a window sees nothing but padding, and in
// some grouped convolutions (AVX2). In the blocked layout the residual would have to be reordered
// too: one in NHWC sends oneDNN to its reference code, 200 times slower.
bool can_fuse_residual(const ConvProblem& p, bool blocked) {
  return !blocked && p.spec.groups == 1 && !has_blind_window(p.x[1], p.w[1], p.spec) &&
         !has_blind_window(p.x[2], p.w[2], p.spec);
}

void execute(const Plan& plan, Arguments arguments) {
  const Tensor scratch(Shape{static_cast<int64_t>(plan.scratchpad.get_size())}, DType::u8);
  arguments.emplace(DNNL_ARG_SCRATCHPAD, onednn_memory(plan.scratchpad, scratch));
  plan.primitive.execute(onednn_stream(), arguments);
}

void forward(bool blocked, const Tensor& x, const Tensor& w, const Tensor& bias,
             const Tensor& residual, const Conv2dSpec& spec, Tensor& y) {
  const Geometry g{{x.shape(), w.shape(), y.shape(), spec}, blocked};
  const bool fused = !residual.defined() || can_fuse_residual(g.p, blocked);
  const Act kind = spec.act.kind;
  const bool exact = kind == Act::identity || (kind == Act::leaky_relu && spec.act.slope != 0);
  if (!fused || !exact) {  // oneDNN's own ReLU makes NaN zero
    Conv2dSpec linear = spec;
    linear.act = {};
    forward(blocked, x, w, bias, fused ? residual : Tensor(), linear, y);
    epilogue({}, fused ? Tensor() : residual, spec.act, y);
    return;
  }
  const auto plan = plan_of(g.key("forward", bias.defined(), residual.defined()), [&] {
    const auto d = forward_desc(g, bias.defined(), residual.defined());
    return Plan{dnnl::convolution_forward(d), d.src_desc(), d.weights_desc(), d.dst_desc(),
                d.scratchpad_desc()};
  });
  Operand source(plan->x, Geometry::nhwc(x.shape()), x);
  Operand result(plan->y, Geometry::nhwc(y.shape()), y);
  const Tensor weight = packed_weight(w, g, plan->w);
  Arguments arguments = {{DNNL_ARG_SRC, source.load()},
                         {DNNL_ARG_WEIGHTS, onednn_memory(plan->w, weight)},
                         {DNNL_ARG_DST, result.target()}};
  if (bias.defined()) {
    arguments.emplace(DNNL_ARG_BIAS,
                      onednn_memory({{w.shape()[0]}, kF32, Memory::format_tag::a}, bias));
  }
  if (residual.defined()) {
    arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                      onednn_memory(Geometry::nhwc(y.shape()), residual));
  }
  execute(*plan, std::move(arguments));
  result.store();
}

void backward_data(bool blocked, const Tensor& dy, const Tensor& w, const Conv2dSpec& spec,
                   Tensor& dx) {
  const Geometry g{{dx.shape(), w.shape(), dy.shape(), spec}, blocked};
  const auto plan = plan_of(g.key("backward_data", false, false), [&] {
    const dnnl::convolution_backward_data::primitive_desc d(
        {dnnl::algorithm::convolution_direct, g.activation(g.p.x), g.weight_any(),
         g.activation(g.p.y), g.strides(), g.dilates(), g.pad_left(), g.pad_right()},
        attributes(), onednn_engine(), forward_hint(g));
    return Plan{dnnl::convolution_backward_data(d), d.diff_src_desc(), d.weights_desc(),
                d.diff_dst_desc(), d.scratchpad_desc()};
  });
  Operand gradient(plan->y, Geometry::nhwc(dy.shape()), dy),
      result(plan->x, Geometry::nhwc(dx.shape()), dx);
  const Tensor weight = packed_weight(w, g, plan->w);
  execute(*plan, {{DNNL_ARG_DIFF_DST, gradient.load()},
                  {DNNL_ARG_WEIGHTS, onednn_memory(plan->w, weight)},
                  {DNNL_ARG_DIFF_SRC, result.target()}});
  result.store();
}

void backward_weight(bool blocked, const Tensor& dy, const Tensor& x, const Conv2dSpec& spec,
                     Tensor& dw) {
  const Geometry g{{x.shape(), dw.shape(), dy.shape(), spec}, blocked};
  const auto plan = plan_of(g.key("backward_weight", false, false), [&] {
    const dnnl::convolution_backward_weights::primitive_desc d(
        {dnnl::algorithm::convolution_direct, g.activation(g.p.x), g.weight_any(),
         g.activation(g.p.y), g.strides(), g.dilates(), g.pad_left(), g.pad_right()},
        attributes(), onednn_engine(), forward_hint(g));
    return Plan{dnnl::convolution_backward_weights(d), d.src_desc(), d.diff_weights_desc(),
                d.diff_dst_desc(), d.scratchpad_desc()};
  });
  Operand source(plan->x, Geometry::nhwc(x.shape()), x),
      gradient(plan->y, Geometry::nhwc(dy.shape()), dy), result(plan->w, g.weight_ohwi(), dw);
  execute(*plan, {{DNNL_ARG_SRC, source.load()},
                  {DNNL_ARG_DIFF_DST, gradient.load()},
                  {DNNL_ARG_DIFF_WEIGHTS, result.target()}});
  result.store();
}

}  // namespace

void onednn_forward(bool blocked, const Tensor& x, const Tensor& w, const Tensor& bias,
                    const Tensor& residual, const Conv2dSpec& spec, Tensor& y) {
  onednn_checked("conv2d", x.shape(), w.shape(),
                 [&] { forward(blocked, x, w, bias, residual, spec, y); });
}

void onednn_backward_data(bool blocked, const Tensor& dy, const Tensor& w, const Conv2dSpec& spec,
                          Tensor& dx) {
  onednn_checked("conv2d", dy.shape(), w.shape(),
                 [&] { backward_data(blocked, dy, w, spec, dx); });
}

void onednn_backward_weight(bool blocked, const Tensor& dy, const Tensor& x,
                            const Conv2dSpec& spec, Tensor& dw) {
  onednn_checked("conv2d", dy.shape(), x.shape(),
                 [&] { backward_weight(blocked, dy, x, spec, dw); });
}

}  // namespace mld::cpu
