// state_dict and load_state: values between a model and a checkpoint's names and layouts.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "core/parallel.h"
#include "nn/module.h"

namespace mld {

namespace {

bool is_conv(const StateTensor& t) { return t.layout == StateTensor::Layout::conv; }

// [O, H, W, I] in memory, [O, I, H, W] on disk: the same order of elements for a 1x1 kernel.
Shape disk_shape(const StateTensor& t) {
  const Shape& s = t.shape;
  return is_conv(t) ? Shape{s[0], s[3], s[1], s[2]} : s;
}
bool transposed(const StateTensor& t) { return is_conv(t) && t.shape[1] * t.shape[2] > 1; }

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

Tensor from_disk(const StateView& view, const StateTensor& t) {
  const Tensor wide = view.dtype == t.dtype ? Tensor{} : widened(view);
  const void* data = wide.defined() ? wide.raw() : view.data;
  Tensor y(t.shape, t.dtype);
  if (transposed(t)) {
    transpose_each(static_cast<const float*>(data), t.shape[0], t.shape[3],
                   t.shape[1] * t.shape[2], y.data<float>());
  } else {
    copy_bytes(data, y.raw(), y.bytes());
  }
  return y;
}

Tensor to_disk(const StateTensor& t) {
  const Tensor x = t.value.to(Device{});
  Tensor y(disk_shape(t), t.dtype);
  if (transposed(t)) {
    transpose_each(x.data<float>(), t.shape[0], t.shape[1] * t.shape[2], t.shape[3],
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

// One load: matches the model's names with the file's.
class Loader {
 public:
  // The report is complete after this; nothing has been written yet.
  LoadReport match(Module& model, std::span<const StateView> state) {
    for (const StateView& view : state) {
      views_.emplace(view.name, &view);
    }
    for (const auto& [name, t] : state_tensors(model)) {
      if (!views_.contains(name) && optional_name(name)) {
        if (!t->value.defined()) {
          absent_counters_.push_back(t);
        }
      } else if (const StateView* view = find(name, disk_shape(*t), t->dtype)) {
        matched_.emplace_back(t, view);
      }
    }
    for (const StateView& view : state) {
      if (views_.contains(view.name)) {  // matched names have been taken out
        report_.unexpected.push_back(printable(view.name));
      }
    }
    return report_;
  }

  void write() {
    for (const auto& [t, view] : matched_) {
      t->value = from_disk(*view, *t).to(t->value.device());
    }
    for (StateTensor* t : absent_counters_) {
      t->value = Tensor::zeros(t->shape, t->dtype);
    }
  }

 private:
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
  std::vector<std::pair<StateTensor*, const StateView*>> matched_;
  std::vector<StateTensor*> absent_counters_;
  LoadReport report_;
};

}  // namespace

StateDict state_dict(Module& model) {
  StateDict state;
  for (const auto& [name, t] : state_tensors(model)) {
    require(t->value.defined(), "state_dict: {} has no value yet", name);
    state.emplace_back(name, to_disk(*t));
  }
  return state;
}

std::vector<StateView> views_of(const StateDict& state) {
  std::vector<StateView> views;
  for (const auto& [name, tensor] : state) {
    require(tensor.device().is_cpu(), "load_state: {} is on {}, expected on the CPU", name,
            tensor.device().str());
    views.push_back({name, tensor.shape(), tensor.dtype(), tensor.raw()});
  }
  return views;
}

LoadReport match_state(Module& model, std::span<const StateView> state) {
  return Loader().match(model, state);
}

std::string misfits(const LoadReport& report) {
  std::string text;
  const auto add = [&text](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) {
      text += (text.empty() ? "" : "; ") + listed(what, names);
    }
  };
  add("missing", report.missing);
  add("unexpected", report.unexpected);
  add("of another shape", report.mismatched);
  return text;
}

LoadReport load_state(Module& model, std::span<const StateView> state, LoadPolicy policy) {
  Loader loader;
  LoadReport report = loader.match(model, state);
  const std::string wrong = policy == LoadPolicy::strict ? misfits(report) : "";
  require<DataError>(wrong.empty(), "the weights do not fit the model: {}", wrong);
  unfold_batch_norm(model);
  loader.write();
  clear_gradients(model);
  return report;
}

LoadReport load_state(Module& model, const StateDict& state, LoadPolicy policy) {
  return load_state(model, views_of(state), policy);
}

}  // namespace mld
