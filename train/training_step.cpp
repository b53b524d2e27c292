#include "train/training_step.h"

#include <algorithm>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/memory.h"
#include "models/registry.h"

namespace mld {

UpdateSpec update_spec(const Config& config) {
  return {.parts = config.optim.grad_accum_steps,
          .clip_grad = config.optim.clip_grad,
          .seed = static_cast<uint64_t>(config.seed),
          .capture = config.train.cuda_graph};
}

TrainingStep::TrainingStep(const UpdateSpec& spec, Device device, Members members)
    : spec_(spec), device_(device), members_(members), queue_(make_step_queue(device)),
      results_({spec.parts + 1}, DType::f32, device) {}

void TrainingStep::queue(const Batch& batch, const Rates& rates, int64_t step) {
  const int64_t parts = spec_.parts;
  Tensor steps({parts}, DType::i64);
  for (int64_t part = 0; part < parts; ++part) {
    steps.data<int64_t>()[part] = step * parts + part;
  }
  const Inputs on_host{.images = batch.images, .steps = steps,
                       .rates = members_.optimizer.prepare(rates),
                       .targets = members_.objective.targets(batch)};
  const Inputs inputs = on_host.with(queue_->upload(on_host.list()));
  const Shape& shape = inputs.images.shape();
  constexpr int64_t kRunsBeforeCapture = 2;  // these build plans and fill the memory pool
  if (graph_ != nullptr && shape == graph_inputs_.images.shape()) {
    replay(inputs);
  } else if (graph_ == nullptr && spec_.capture && !device_.is_cpu() &&
             runs_of_last_shape_ >= kRunsBeforeCapture && shape == last_shape_) {
    capture(inputs);
  } else {
    update(inputs);
    runs_of_last_shape_ = shape == last_shape_ ? runs_of_last_shape_ + 1 : 1;
    last_shape_ = shape;
  }
  queue_->download(results_);
}

std::vector<Tensor> TrainingStep::Inputs::list() const {
  std::vector<Tensor> all{images, steps, rates, targets.values};
  for (const Tensor& further : {targets.weights, targets.captions}) {
    if (further.defined()) {
      all.push_back(further);
    }
  }
  return all;
}

TrainingStep::Inputs TrainingStep::Inputs::with(const std::vector<Tensor>& list) const {
  Inputs other{.images = list[0], .steps = list[1], .rates = list[2], .targets = {list[3]}};
  size_t used = 4;
  const auto next = [&](const Tensor& mine) { return mine.defined() ? list[used++] : Tensor{}; };
  other.targets.weights = next(targets.weights);
  other.targets.captions = next(targets.captions);
  return other;
}

// One update with one batch, in parts whose gradients are accumulated.
void TrainingStep::update(const Inputs& inputs) {
  const int64_t N = inputs.images.shape()[0], all_parts = spec_.parts;
  const int64_t parts = std::min(all_parts, N);
  for (int64_t part = 0; part < parts; ++part) {
    forward_backward(inputs, N * part / parts, N * (part + 1) / parts, part);
  }
  if (parts < all_parts) {
    Tensor unused = results_.rows(parts, all_parts);
    KERNEL(device_, fill)(0, unused);
  }
  const double limit = spec_.clip_grad;
  const std::vector<TrainedParameter>& trained = members_.optimizer.trained_parameters();
  const Tensor norm =
      limit > 0 ? clip_gradients(trained, static_cast<float>(limit)) : gradient_norm(trained);
  Tensor last = results_.rows(all_parts, all_parts + 1);
  KERNEL(device_, copy)(norm, last);
  members_.optimizer.apply(inputs.rates);
  clear_gradients(members_.model);
  if (members_.average != nullptr) {
    members_.average->update();
  }
}

// Pictures [begin, end) of the batch.
void TrainingStep::forward_backward(const Inputs& inputs, int64_t begin, int64_t end,
                                    int64_t part) {
  Tape tape({.seed = spec_.seed}, inputs.steps.rows(part, part + 1));
  const float share =
      static_cast<float>(end - begin) / static_cast<float>(inputs.images.shape()[0]);
  const Var value = members_.objective.loss(tape, inputs.images.rows(begin, end),
                                            inputs.targets.rows(begin, end), share);
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

Learner::Learner(const Config& config, Device device, std::unique_ptr<Model> model_,
                 const LabelSpace& trained, const LabelSpace& scored)
    : model(std::move(model_)), objective(make_objective(config, *model, trained, scored)) {
  to(*model, device);
  optimizer = make_optimizer(config.optim, *model);
  if (config.train.model_ema_decay > 0) {
    average.emplace(*model, config.train.model_ema_decay);
  }
  step.emplace(update_spec(config), device,
               TrainingStep::Members{.model = *model, .objective = *objective,
                                     .optimizer = *optimizer,
                                     .average = average ? &*average : nullptr});
}

// ---- the captured update ------------------------------------------------------------------------

void TrainingStep::capture(const Inputs& inputs) {
  std::vector<Tensor> copies;
  for (const Tensor& input : inputs.list()) {
    copies.push_back(input.clone());
  }
  graph_inputs_ = inputs.with(copies);
  counters_.clear();
  for (const auto& [name, buffer] : buffers(members_.model)) {
    if (buffer->dtype == DType::i64) {
      counters_.push_back({buffer, buffer->value.data<int64_t>()[0], 0});
    }
  }
  graph_ = queue_->capture([this] { update(graph_inputs_); });
  for (Counter& counter : counters_) {  // the host counted up once during the capture
    counter.per_update = counter.buffer->value.data<int64_t>()[0] - counter.before;
  }
  graph_->replay();
}

void TrainingStep::replay(const Inputs& inputs) {
  const std::vector<Tensor> now = inputs.list();
  std::vector<Tensor> captured = graph_inputs_.list();
  for (size_t i = 0; i < now.size(); ++i) {
    KERNEL(device_, copy)(now[i], captured[i]);
  }
  graph_->replay();
  for (const Counter& counter : counters_) {
    counter.buffer->value.data<int64_t>()[0] += counter.per_update;
  }
  if (members_.average != nullptr) {
    members_.average->update_counters();
  }
}

void TrainingStep::release() {
  graph_.reset();
  graph_inputs_ = {};
}

// ---- out of memory ------------------------------------------------------------------------------

int64_t TrainingStep::fitting_part(const Batch& batch) {
  release();
  for (int64_t n = batch.images.shape()[0] / spec_.parts / 2; n > 0; n /= 2) {
    clear_gradients(members_.model);
    memory_pool(device_).trim();
    try {
      const LossTargets targets = members_.objective.targets(batch).rows(0, n);
      forward_backward({.images = batch.images.rows(0, n).to(device_),
                        .steps = Tensor::zeros({1}, DType::i64, device_),
                        .rates = {},
                        .targets = targets.to(device_)},
                       0, n, 0);
      return n;
    } catch (const OutOfMemory&) {
      // try half of it
    } catch (const Error&) {
      return 0;  // e.g. too few pictures for batch norm: no advice, the first error is reported
    }
  }
  return 0;
}

}  // namespace mld
