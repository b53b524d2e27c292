// fullnets/eval, fullnets/train: whole networks of full size, filled by hash.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/registry.h"
#include "tests/parity/fixture.h"
#include "tests/parity/float64.h"
#include "tests/parity/modules.h"
#include "tests/parity/node_check.h"

namespace mld::parity {
namespace {

bool known(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The last dimension but `axis` of a filled head tensor, or the fallback where there is none.
int64_t filled_size(Fixture& fixture, const std::string& suffix, size_t axis, int64_t fallback) {
  if (fixture.fill()) {
    for (const std::string& name : fixture.fill()->names()) {
      if (name.ends_with(suffix)) {
        return fixture.fill()->shape(name).at(axis);
      }
    }
  }
  return fallback;
}

// The manifest's model; sizes it leaves out are taken from the fill table. Dropout is off in every
// reference, in training too.
ModelSpec spec_of(Fixture& fixture, float dropout) {
  const Json& model = fixture.model();
  ModelSpec spec;
  spec.backbone = text(model, "backbone");
  spec.head = text(model, "head", "gap");
  if (!known(names_of(backbones()), spec.backbone) || !known(names_of(heads()), spec.head)) {
    throw Uncovered{"no " + spec.backbone + " with the head " + spec.head + " here"};
  }
  spec.classes = integer(model, "classes");
  spec.groups = integer(model, "groups", -1);
  spec.embed_dim = integer(model, "decoder_embedding",
                           filled_size(fixture, "decoder.query_embed.weight", 1, 768));
  spec.ffn = integer(model, "ffn",
                     filled_size(fixture, "decoder.layers.0.linear1.weight", 0, 2048));
  spec.dropout = dropout;
  return spec;
}

double mean(const double* values, size_t count, size_t stride) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    sum += values[i * stride];
  }
  return sum / static_cast<double>(count);
}

// stage/<name>/: mean of all elements or of every channel, root mean square, sampled elements.
void compare_stage(Fixture& fixture, const std::string& name, const Var& y) {
  const std::string at = "stage/" + name + "/";
  if (fixture.has(at + "mean")) {
    const Array ours = to_array(y.value);  // [N, H, W, C]: channels are contiguous
    const auto C = static_cast<size_t>(ours.shape.back()), total = ours.values.size();
    const bool per_channel = !fixture.array(at + "mean").shape.empty();
    Array means;
    for (size_t c = 0; per_channel && c < C; ++c) {
      means.values.push_back(mean(ours.values.data() + c, total / C, C));
    }
    means.shape = per_channel ? std::vector<int64_t>{ours.shape.back()} : std::vector<int64_t>{};
    if (!per_channel) {
      means.values = {mean(ours.values.data(), total, 1)};
    }
    fixture.compare(at + "mean", means);
  }
  if (fixture.has(at + "rms")) {
    const Array ours = to_array(y.value);
    const double squares = std::inner_product(ours.values.begin(), ours.values.end(),
                                              ours.values.begin(), 0.0);
    fixture.compare(at + "rms", std::sqrt(squares / static_cast<double>(ours.numel())));
  }
  if (fixture.has(at + "val")) {
    const Array ours = to_array(y.value, kFromNhwc), idx = fixture.array(at + "idx");
    Array values{{idx.numel()}, {}};
    for (const double i : idx.values) {
      values.values.push_back(ours.values.at(static_cast<size_t>(i)));
    }
    fixture.compare(at + "val", values);
  }
}

Tap comparing_tap(Fixture& fixture) {
  return [&fixture](std::string_view stage, const Var& y) {
    if (stage != "pooled") {
      compare_stage(fixture, std::string(stage), y);
    } else if (fixture.has("pooled")) {
      fixture.compare("pooled", to_array(y.value));
    }
  };
}

std::unique_ptr<Classifier> load_model(Fixture& fixture, float dropout = 0) {
  std::unique_ptr<Classifier> model = make_model(spec_of(fixture, dropout));
  load_module(fixture, *model);
  if (has(fixture.config(), "parameters")) {
    const int64_t expected = integer(fixture.config(), "parameters");
    fixture.record("the number of parameters",
                   static_cast<double>(std::abs(count_parameters(*model) - expected)), 0);
  }
  return model;
}

void run_eval(Fixture& fixture) {
  const std::unique_ptr<Classifier> model = load_model(fixture);
  set_training(*model, false);
  const Var images(to_values(fixture.input("x", "input"), kToNhwc));
  fixture.compare("logits", to_array((*model)(images, comparing_tap(fixture)).value));
  fold_batch_norm(*model);  // as inference runs it
  fixture.compare("logits", to_array((*model)(images, comparing_tap(fixture)).value));
}

// The buffers after the step: after/<name> in whole, or after_sum/<name>.
void compare_buffers(Fixture& fixture, Module& model) {
  for (const auto& [name, buffer] : buffers(model)) {
    const Array ours = to_array(buffer->value);
    if (const std::string key = "after/" + name; fixture.has(key)) {
      fixture.compare(key, buffer->dtype == DType::i64 ? reshape(ours, {}) : ours);
    }
    if (const std::string key = "after_sum/" + name; fixture.has(key)) {
      fixture.compare(key, std::accumulate(ours.values.begin(), ours.values.end(), 0.0));
    }
  }
}

// Forward and backward of sum(logits * R) in training mode.
Var train_once(Fixture& fixture, Classifier& model, const Tap& tap = {}) {
  set_training(model, true);
  Tape tape;
  const Var images = tape.constant(to_tensor(fixture.input("x", "input"), kToNhwc));
  const Var logits = model(images, tap);
  tape.backward(logits, to_tensor(fixture.input("R")));
  return Var(logits.value);
}

// Without dropout, as the reference was made: logits, stages, running statistics.
std::unique_ptr<Classifier> compare_training(Fixture& fixture) {
  std::unique_ptr<Classifier> model = load_model(fixture);
  fixture.compare("logits", to_array(train_once(fixture, *model, comparing_tap(fixture)).value));
  compare_buffers(fixture, *model);
  return model;
}

// See Note [Float64 parity] and Note [Node by node]: the product's forward pass, the whole float64
// run, and every kernel of the product, with dropout as in training.
void run_train(Fixture& fixture) {
  compare_training(fixture);
  {
    const Float64 arithmetic;
    compare_gradients(fixture, *compare_training(fixture), "grad");
  }
  NodeCheck check(device());
  const Float64 arithmetic(check);
  train_once(fixture, *load_model(fixture, 0.1f));
  check.report(fixture);
}

}  // namespace

const std::vector<Kind>& fullnet_kinds() {
  static const std::vector<Kind> kinds{{"fullnets/eval", run_eval, true},
                                       {"fullnets/train", run_train}};
  return kinds;
}

}  // namespace mld::parity
