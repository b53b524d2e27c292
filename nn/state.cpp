// state_dict and load_state: values between a model and a checkpoint's names and layouts.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "core/parallel.h"
#include "nn/module.h"

namespace mld {

namespace {

// [O, H, W, I] in memory, [O, I, H, W] on disk.
Shape disk_shape(const Parameter& p) {
  const Shape& s = p.shape;
  return p.layout == Parameter::Layout::conv ? Shape{s[0], s[3], s[1], s[2]} : s;
}

// y[b, c, r] = x[b, r, c]
void transpose_each(const float* x, int64_t B, int64_t R, int64_t C, float* y) {
  parallel_for(B, std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(R * C, 1)),
               [=](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const float* from = x + b * R * C;
      float* to = y + b * R * C;
      for (int64_t c = 0; c < C; ++c) {
        for (int64_t r = 0; r < R; ++r) {
          to[c * R + r] = from[r * C + c];
        }
      }
    }
  });
}

void copy_bytes(const void* from, void* to, size_t bytes) {
  parallel_for(static_cast<int64_t>(bytes), 1 << 20, [=](int64_t begin, int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<size_t>(end - begin));
  });
}

// A float32 CPU tensor of the view's elements and shape.
Tensor widened(const StateView& view) {
  Tensor y(view.shape);
  const bf16* from = static_cast<const bf16*>(view.data);
  float* to = y.data<float>();
  parallel_for(view.shape.numel(), 1 << 16, [=](int64_t begin, int64_t end) {
    std::transform(from + begin, from + end, to + begin, [](bf16 v) { return float(v); });
  });
  return y;
}

Tensor from_disk(const StateView& view, const Parameter& p) {
  Tensor wide;
  const void* data = view.data;
  if (view.dtype == DType::bf16) {
    wide = widened(view);
    data = wide.raw();
  }
  Tensor y(p.shape);
  if (p.layout == Parameter::Layout::conv && p.shape[1] * p.shape[2] > 1) {
    transpose_each(static_cast<const float*>(data), p.shape[0], p.shape[3],
                   p.shape[1] * p.shape[2], y.data<float>());
  } else {
    copy_bytes(data, y.raw(), y.bytes());
  }
  return y;
}

Tensor from_disk(const StateView& view, const Buffer& b) {
  if (view.dtype != b.dtype) {
    return widened(view);
  }
  Tensor y(b.shape, b.dtype);
  copy_bytes(view.data, y.raw(), y.bytes());
  return y;
}

Tensor to_disk(const Parameter& p) {
  const Tensor x = p.value.to(Device{});
  Tensor y(disk_shape(p));
  if (p.layout == Parameter::Layout::conv && p.shape[1] * p.shape[2] > 1) {
    transpose_each(x.data<float>(), p.shape[0], p.shape[1] * p.shape[2], p.shape[3],
                   y.data<float>());
  } else {
    copy_bytes(x.raw(), y.raw(), y.bytes());
  }
  return y;
}

bool optional_name(std::string_view name) { return name.ends_with("num_batches_tracked"); }

// Names come from files: control characters must not reach a terminal.
std::string printable(std::string_view name) {
  constexpr size_t kLongest = 200;
  std::string text(name.substr(0, kLongest));
  std::replace_if(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return name.size() > kLongest ? text + "..." : text;
}

// "3 missing (a, b, c)"
std::string listed(const char* what, const std::vector<std::string>& names) {
  constexpr size_t kShown = 6;
  std::string text = fmt::format("{} {} (", names.size(), what);
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  return text + (names.size() > kShown ? ", ...)" : ")");
}

void check(const LoadReport& report) {
  std::string text;
  const auto add = [&text](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) {
      text += (text.empty() ? "" : "; ") + listed(what, names);
    }
  };
  add("missing", report.missing);
  add("unexpected", report.unexpected);
  add("of another shape", report.mismatched);
  require<DataError>(text.empty(), "the weights do not fit the model: {}", text);
}

// One load: matches the model's names with the file's.
class Loader : public Visitor {
 public:
  explicit Loader(std::span<const StateView> state) {
    for (const StateView& view : state) {
      views_.emplace(view.name, &view);
    }
  }

  // The report is complete after this; nothing has been written yet.
  LoadReport match(Module& model, std::span<const StateView> state) {
    walk(model);
    for (const StateView& view : state) {
      if (views_.contains(view.name)) {  // matched names have been taken out
        report_.unexpected.push_back(printable(view.name));
      }
    }
    return report_;
  }

  void write() {
    for (const auto& [p, view] : parameters_) {
      const Device device = p->value.device();
      p->value = from_disk(*view, *p).to(device);
      p->grad = {};
    }
    for (const auto& [b, view] : buffers_) {
      const Device device = b->value.device();
      b->value = from_disk(*view, *b).to(device);
    }
    for (Buffer* b : absent_counters_) {
      b->value = Tensor::zeros(b->shape, b->dtype);
    }
  }

 private:
  void parameter(const std::string& name, Parameter& p) override {
    if (const StateView* view = find(name, disk_shape(p), DType::f32)) {
      parameters_.emplace_back(&p, view);
    }
  }
  void buffer(const std::string& name, Buffer& b) override {
    if (!views_.contains(name) && optional_name(name)) {
      if (!b.value.defined()) {
        absent_counters_.push_back(&b);
      }
    } else if (const StateView* view = find(name, b.shape, b.dtype)) {
      buffers_.emplace_back(&b, view);
    }
  }

  // The file's tensor if it fits; else a line in the report.
  const StateView* find(const std::string& name, const Shape& shape, DType dtype) {
    const auto found = views_.find(name);
    if (found == views_.end()) {
      report_.missing.push_back(name);
      return nullptr;
    }
    const StateView* view = found->second;
    views_.erase(found);
    const bool type_fits =
        view->dtype == dtype || (view->dtype == DType::bf16 && dtype == DType::f32);
    if (type_fits && view->shape == shape) {
      return view;
    }
    report_.mismatched.push_back(
        type_fits ? fmt::format("{}: {} in the file, {} in the model", name, view->shape, shape)
                  : fmt::format("{}: {} in the file, {} in the model", name,
                                name_of(view->dtype), name_of(dtype)));
    return nullptr;
  }

  std::unordered_map<std::string, const StateView*> views_;
  std::vector<std::pair<Parameter*, const StateView*>> parameters_;
  std::vector<std::pair<Buffer*, const StateView*>> buffers_;
  std::vector<Buffer*> absent_counters_;
  LoadReport report_;
};

}  // namespace

StateDict state_dict(Module& model) {
  struct Collect : Visitor {
    StateDict state;
    void parameter(const std::string& name, Parameter& p) override {
      require(p.value.defined(), "state_dict: {} has no value yet", name);
      state.emplace_back(name, to_disk(p));
    }
    void buffer(const std::string& name, Buffer& b) override {
      require(b.value.defined(), "state_dict: {} has no value yet", name);
      Tensor copy(b.shape, b.dtype);
      const Tensor host = b.value.to(Device{});
      std::memcpy(copy.raw(), host.raw(), copy.bytes());
      state.emplace_back(name, copy);
    }
  };
  Collect collect;
  collect.walk(model);
  return std::move(collect.state);
}

LoadReport load_state(Module& model, std::span<const StateView> state, LoadPolicy policy) {
  Loader loader(state);
  LoadReport report = loader.match(model, state);
  if (policy == LoadPolicy::strict) {
    check(report);
  }
  unfold_batch_norm(model);
  loader.write();
  return report;
}

LoadReport load_state(Module& model, const StateDict& state, LoadPolicy policy) {
  std::vector<StateView> views;
  std::vector<Tensor> host;  // keeps copies of device tensors alive
  for (const auto& [name, tensor] : state) {
    host.push_back(tensor.to(Device{}));
    views.push_back({name, tensor.shape(), tensor.dtype(), host.back().raw()});
  }
  return load_state(model, views, policy);
}

}  // namespace mld
