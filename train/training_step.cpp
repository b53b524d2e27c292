#include "train/training_step.h"

#include <algorithm>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "train/assemble.h"

namespace mld {

TrainingStep::TrainingStep(const Config& config, Device device, Subject subject)
    : config_(config), device_(device), subject_(std::move(subject)),
      queue_(make_step_queue(device)) {
  const int64_t most = config.optim.grad_accum_steps;
  steps_ = Tensor({most}, DType::i64, device);
  results_ = Tensor::zeros({most + 1}, DType::f32, device);
}

int64_t TrainingStep::parts(int64_t images) const {
  return std::min(config_.optim.grad_accum_steps, images);
}

void TrainingStep::queue(const Batch& batch, const Rates& rates, int64_t step) {
  subject_.optimizer.prepare(rates);
  Tensor steps({config_.optim.grad_accum_steps}, DType::i64);
  for (int64_t part = 0; part < steps.numel(); ++part) {
    steps.data<int64_t>()[part] = step * config_.optim.grad_accum_steps + part;
  }
  KERNEL(device_, copy)(steps, steps_);
  const std::vector<Tensor> inputs =
      queue_->upload({batch.images, shaped_targets(config_.loss, batch.targets)});
  constexpr int64_t kUsual = 2;  // they build plans and fill the memory pool
  if (graph_ != nullptr && fits_graph(inputs)) {
    replay(inputs);
  } else if (graph_ == nullptr && config_.train.cuda_graph && !device_.is_cpu() &&
             usual_ >= kUsual) {
    capture(inputs);
  } else {
    update(inputs[0], inputs[1]);
    ++usual_;
  }
  queue_->download(results_);
}

// One update from one batch, in optim.grad_accum_steps parts whose gradients add up.
void TrainingStep::update(const Tensor& images, const Tensor& targets) {
  const int64_t N = images.shape()[0], count = parts(N);
  for (int64_t part = 0; part < count; ++part) {
    forward_backward(images, targets, N * part / count, N * (part + 1) / count, part);
  }
  const double limit = config_.optim.clip_grad;
  const std::vector<Trained>& trained = subject_.optimizer.trained();
  const Tensor norm =
      limit > 0 ? clip_gradients(trained, static_cast<float>(limit)) : gradient_norm(trained);
  Tensor last = results_.rows(results_.numel() - 1, results_.numel());
  KERNEL(device_, copy)(norm, last);
  subject_.optimizer.apply();
  clear_gradients(subject_.model);
  if (subject_.average != nullptr) {
    subject_.average->update();
  }
}

// Images [begin, end) of the batch.   images u8 [N, S, S, 3], targets f32 [N, K]
void TrainingStep::forward_backward(const Tensor& images, const Tensor& targets, int64_t begin,
                                    int64_t end, int64_t part) {
  Tape tape({.seed = static_cast<uint64_t>(config_.seed)}, steps_.rows(part, part + 1));
  const Tensor pixels = images.rows(begin, end);
  Tensor normalized(pixels.shape(), config_.train.precision == "bf16" ? DType::bf16 : DType::f32,
                    device_);
  KERNEL(device_, normalize_images)(pixels, image_norm(config_.data.normalize), normalized);
  const Var logits = cast(subject_.forward(tape.constant(normalized)), DType::f32);  // [n, K]
  const float share = static_cast<float>(end - begin) / static_cast<float>(images.shape()[0]);
  const Var value = loss(config_, logits, targets.rows(begin, end), share);
  Tensor result = results_.rows(part, part + 1);
  KERNEL(device_, copy)(value.value, result);
  tape.backward(value);
}

TrainingStep::Result TrainingStep::result() {
  const std::vector<float> values = queue_->result();
  Result result{.gradient_norm = values.back()};
  for (size_t part = 0; part + 1 < values.size(); ++part) {
    result.loss += static_cast<double>(values[part]);
  }
  return result;
}

// ---- the captured update ------------------------------------------------------------------------

bool TrainingStep::fits_graph(const std::vector<Tensor>& inputs) const {
  return std::equal(inputs.begin(), inputs.end(), graph_inputs_.begin(), graph_inputs_.end(),
                    [](const Tensor& a, const Tensor& b) { return a.shape() == b.shape(); });
}

void TrainingStep::capture(const std::vector<Tensor>& inputs) {
  for (const Tensor& input : inputs) {
    graph_inputs_.push_back(input.clone());
  }
  for (const auto& [name, buffer] : buffers(subject_.model)) {
    if (buffer->dtype == DType::i64) {
      counters_.push_back({buffer, buffer->value.data<int64_t>()[0], 0});
    }
  }
  graph_ = queue_->capture([this] { update(graph_inputs_[0], graph_inputs_[1]); });
  for (Counter& counter : counters_) {  // the host has counted once, while it recorded
    counter.per_update = counter.buffer->value.data<int64_t>()[0] - counter.before;
  }
  graph_->replay();
}

void TrainingStep::replay(const std::vector<Tensor>& inputs) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    KERNEL(device_, copy)(inputs[i], graph_inputs_[i]);
  }
  graph_->replay();
  for (const Counter& counter : counters_) {
    counter.buffer->value.data<int64_t>()[0] += counter.per_update;
  }
  if (subject_.average != nullptr) {
    subject_.average->update_counters();
  }
}

// ---- out of memory ------------------------------------------------------------------------------

int64_t TrainingStep::fitting_part(const Batch& batch) {
  graph_.reset();  // and the memory it keeps
  for (int64_t n = batch.images.shape()[0] / config_.optim.grad_accum_steps / 2; n > 0; n /= 2) {
    clear_gradients(subject_.model);
    memory_pool(device_).trim();
    try {
      forward_backward(batch.images.rows(0, n).to(device_),
                       shaped_targets(config_.loss, batch.targets.rows(0, n)).to(device_), 0, n, 0);
      return n;
    } catch (const OutOfMemory&) {
      // half of it then
    } catch (const Error&) {
      return 0;  // too few pictures for batch norm, say: no advice, and the first error counts
    }
  }
  return 0;
}

}  // namespace mld
