#include "train/config_keys.h"

#include <algorithm>

#include <fmt/core.h>

#include "data/formats/open.h"

namespace mld {
namespace {

template <auto Member>
Field top_field(Config& config) {
  return &(config.*Member);
}
template <auto Section, auto Member>
Field field(Config& config) {
  return &((config.*Section).*Member);
}

constexpr double kAny = std::numeric_limits<double>::infinity();
constexpr double kMaxCount = 1e9;  // far beyond use, far from overflow

// A row of the table under construction.
struct Row : Key {
  Row one_of(std::vector<std::string_view> names) && {
    choices = std::move(names);
    return std::move(*this);
  }
  Row within(double low, double high) && {
    least = low;
    most = high;
    return std::move(*this);
  }
  Row with(Effect what) && {
    effect = what;
    return std::move(*this);
  }
};

Row row(std::string_view section, std::string_view name, Field (*access)(Config&),
        std::string_view meaning) {
  Row made;
  made.section = section;
  made.name = name;
  made.field = access;
  made.meaning = meaning;
  return made;
}

#define TOP(key) "", #key, top_field<&Config::key>
#define DATA(key) "data", #key, field<&Config::data, &DataConfig::key>
#define AUGMENT(key) "augment", #key, field<&Config::augment, &AugmentConfig::key>
#define MODEL(key) "model", #key, field<&Config::model, &ModelConfig::key>
#define LOSS(key) "loss", #key, field<&Config::loss, &LossConfig::key>
#define OPTIM(key) "optim", #key, field<&Config::optim, &OptimConfig::key>
#define SCHEDULE(key) "schedule", #key, field<&Config::schedule, &ScheduleConfig::key>
#define TRAIN(key) "train", #key, field<&Config::train, &TrainConfig::key>

// What a run is and what it sees.
std::vector<Key> data_keys() {
  return {
      row(TOP(name), "the run's name: its folder is runs/<name>").with(Effect::none),
      row(TOP(task), "what a picture's labels are")
          .one_of({"multi-label", "single-label", "zero-shot"}),
      row(TOP(seed), "of every random number").within(0, 9.2e18),
      row(TOP(threads), "compute threads; 0 = all cores").within(0, 4096).with(Effect::none),
      row(TOP(device), "auto, cpu, cuda or cuda:N").with(Effect::none),

      row(DATA(format), "how the data is stored; auto looks at the folder")
          .one_of(data_format_names()),
      row(DATA(root), "the data's folder, relative to the config file").with(Effect::place),
      row(DATA(train), "the training split; \"\" = the format's usual name"),
      row(DATA(val), "the validation split; \"\" = the format's usual name"),
      row(DATA(test), "the test split; \"\" = the format's usual name").with(Effect::none),
      row(DATA(image_size), "side of the square the model sees, pixels").within(16, 4096),
      row(DATA(resize), "to a square: squash (the authors'), crop the centre, or pad")
          .one_of({"squash", "crop", "pad"}),
      row(DATA(interpolation), "of resizing").one_of({"bilinear", "bicubic"}),
      row(DATA(normalize), "none: [0, 1]; imagenet: minus its mean, over its deviation")
          .one_of({"none", "imagenet"}),
      row(DATA(unlabelled), "pictures without labels").one_of({"keep", "drop"}),
      row(DATA(difficult), "training: VOC classes seen only as difficult are positive, or nothing")
          .one_of({"keep", "ignore"}),
      row(DATA(on_bad_image), "a damaged picture: stop, or skip and count it")
          .one_of({"error", "skip"}),
      row(DATA(max_bad_fraction), "more skipped pictures than this fraction stop the run")
          .within(0, 1),
      row(DATA(workers), "threads that load pictures; -1 = chosen; any number, same results")
          .within(-1, 1024)
          .with(Effect::none),
      row(DATA(train_size), "use the first N; shapes: draw N; 0 = all (shapes: 20000)")
          .within(0, kMaxCount),
      row(DATA(val_size), "use the first N; shapes: draw N; 0 = all (shapes: 2000)")
          .within(0, kMaxCount),

      row(AUGMENT(hflip), "probability of a horizontal flip").within(0, 1),
      row(AUGMENT(crop_scale), "random-resized crop: range of the area; [] = no crop")
          .within(0, 1),
      row(AUGMENT(cutout), "side of the square cut out, of the picture's; 0 = off").within(0, 1),
      row(AUGMENT(aa), "automatic augmentation: the randaugment package's list")
          .one_of({"none", "randaugment"}),
  };
}

// What is trained and how.
std::vector<Key> model_keys() {
  return {
      row(MODEL(backbone), "the feature extractor")
          .one_of({"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"}),
      row(MODEL(head), "gap: average pooling and one linear layer").one_of({"gap", "ml_decoder"}),
      row(MODEL(groups), "ml_decoder: queries; -1 = 100; never more than classes").within(-1, 1e6),
      row(MODEL(embed_dim), "ml_decoder: width, a multiple of its 8 attention heads")
          .within(8, 65536),
      row(MODEL(query), "ml_decoder: queries fixed at random, or learned")
          .one_of({"random", "learnable"}),
      row(MODEL(dropout), "ml_decoder: inside the decoder layer").within(0, 0.99),
      row(MODEL(init), "a checkpoint or run folder to start from; \"\" = from scratch")
          .with(Effect::place),
      row(MODEL(init_policy), "what init must fit: everything, the backbone, what matches")
          .one_of({"strict", "backbone", "matching"}),

      row(LOSS(name), "asymmetric loss, binary cross-entropy, or (single-label) cross-entropy")
          .one_of({"asl", "bce", "ce"}),
      row(LOSS(gamma_neg), "asl: focusing of negatives").within(0, 20),
      row(LOSS(gamma_pos), "asl: focusing of positives").within(0, 20),
      row(LOSS(clip), "asl, multi-label: probability margin of negatives").within(0, 0.99),
      row(LOSS(eps), "asl, multi-label: smallest argument of a logarithm").within(1e-30, 0.1),
      row(LOSS(detach_weights), "asl, multi-label: no gradient through the focusing weights"),
      row(LOSS(smoothing), "single-label: label smoothing").within(0, 0.99),
      row(LOSS(target_threshold), "bce: targets above it become 1, others 0; 0 = off")
          .within(0, 0.999),

      row(OPTIM(name), "adam_l2: decay in the gradient, as published; lamb: timm's; lamb_v3: older")
          .one_of({"adam_l2", "adamw", "sgd", "lamb", "lamb_v3"}),
      row(OPTIM(lr), "the schedule's largest learning rate").within(0, 1e3),
      row(OPTIM(weight_decay), "of tensors that are neither 1-D nor biases").within(0, 1e3),
      row(OPTIM(betas), "Adam, LAMB; onecycle cycles the first from 0.95 to 0.85 and back")
          .within(0, 0.999999),
      row(OPTIM(eps), "Adam, LAMB; 0 = the optimiser's own (1e-8; LAMB 1e-6)").within(0, 1),
      row(OPTIM(momentum), "sgd, in Nesterov's form; onecycle cycles it").within(0, 0.999999),
      row(OPTIM(clip_grad), "largest norm of all gradients together; 0 = off").within(0, kAny),
      row(OPTIM(grad_accum_steps), "parts a batch is computed in, to save memory").within(1, 1e6),

      row(SCHEDULE(name), "of the learning rate").one_of({"onecycle", "cosine", "constant"}),
      row(SCHEDULE(pct_start), "onecycle: the part of the run that rises").within(0, 1),
      row(SCHEDULE(warmup_epochs), "cosine, constant: rise from warmup_lr").within(0, 1e6),
      row(SCHEDULE(warmup_lr), "cosine, constant: where the warm-up starts").within(0, 1e3),
      row(SCHEDULE(min_lr), "cosine: where it ends").within(0, 1e3),
      row(SCHEDULE(cooldown_epochs), "cosine: epochs at min_lr after train.epochs").within(0, 1e6),

      row(TRAIN(epochs), "passes over the training split").within(1, 1e6),
      row(TRAIN(batch_size), "pictures per update, over all parts and devices").within(1, 1e6),
      row(TRAIN(precision), "of activations; parameters stay float32").one_of({"f32", "bf16"}),
      row(TRAIN(model_ema_decay), "of the averaged model; 0 = none").within(0, 0.9999999),
      row(TRAIN(val_interval), "validate every N epochs, and after the last").within(1, 1e6),
      row(TRAIN(checkpoint_minutes), "save this often, and at every epoch's end")
          .within(0, kAny)
          .with(Effect::none),
      row(TRAIN(best_metric), "what best.safetensors is best by, on val")
          .one_of({"mAP", "mAP_official", "top1", "CF1", "OF1"}),
      row(TRAIN(deterministic), "repeats bit for bit; false: a GPU takes what a timing favours")
          .with(Effect::none),
      row(TRAIN(cuda_graph), "on a GPU: capture an update's launches once and replay them")
          .with(Effect::none),
  };
}

#undef TOP
#undef DATA
#undef AUGMENT
#undef MODEL
#undef LOSS
#undef OPTIM
#undef SCHEDULE
#undef TRAIN

const std::vector<Key>& table() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> all = data_keys();
    const std::vector<Key> rest = model_keys();
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
  }();
  return keys;
}

// Overloads for std::visit.
template <class... Functions>
struct Overload : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overload(Functions...) -> Overload<Functions...>;

// The shortest text that reads back as the same number, as a TOML float.
std::string toml_number(double value) {
  std::string text = fmt::format("{}", value);
  return text.find_first_of(".einf") == std::string::npos ? text + ".0" : text;
}

std::string toml_pair(const Pair& pair) {
  return "[" + toml_number(pair[0]) + ", " + toml_number(pair[1]) + "]";
}

}  // namespace

std::string Key::full_name() const {
  return section.empty() ? std::string(name) : fmt::format("{}.{}", section, name);
}

std::span<const Key> config_keys() { return table(); }

std::span<const std::string_view> config_sections() {
  static const std::vector<std::string_view> sections = [] {
    std::vector<std::string_view> found;
    for (const Key& key : table()) {
      if (!key.section.empty() && (found.empty() || found.back() != key.section)) {
        found.push_back(key.section);
      }
    }
    return found;
  }();
  return sections;
}

const Key* find_key(std::string_view section, std::string_view name) {
  const auto found = std::find_if(table().begin(), table().end(), [&](const Key& key) {
    return key.section == section && key.name == name;
  });
  return found == table().end() ? nullptr : &*found;
}

std::string_view type_name(const Field& field) {
  constexpr std::string_view names[] = {"text",          "integer",     "number",
                                        "true or false", "two numbers", "two numbers or []"};
  return names[field.index()];
}

std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\u{:04X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string to_toml_value(const Field& field) {
  return std::visit(
      Overload{[](const std::string* text) { return toml_string(*text); },
               [](const int64_t* number) { return fmt::format("{}", *number); },
               [](const double* number) { return toml_number(*number); },
               [](const bool* value) { return std::string(*value ? "true" : "false"); },
               [](const Pair* pair) { return toml_pair(*pair); },
               [](const std::optional<Pair>* pair) {
                 return *pair ? toml_pair(**pair) : std::string("[]");
               }},
      field);
}

}  // namespace mld
