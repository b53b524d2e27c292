#include "app/init_settings.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <fmt/core.h>

#include "core/error.h"
#include "core/memory.h"
#include "data/text.h"
#include "train/checkpoint.h"
#include "train/config_keys.h"
#include "train/memory.h"
#include "train/run_folder.h"

namespace mld {
namespace {

constexpr int64_t kStep = 32;  // backbones shrink pictures 32 times
constexpr int64_t kLeastBatch = 4;

StartingPoint start_of_ours(const CheckpointFile& file, const std::vector<std::string>& classes) {
  const CheckpointInfo info = checkpoint_info(file.metadata(), file.path());
  const bool same = info.class_names == classes;
  // With as many other classes, the classifier's rows would fit and mean something else; and a head
  // without a decoder is nothing but such rows.
  const bool as_many = info.class_names.size() == classes.size();
  const bool decodes = head_row(info.model).attention_heads > 0;
  return {info.model, info.preprocess,
          same                  ? InitPolicy::strict
          : as_many || !decodes ? InitPolicy::backbone
                                : InitPolicy::matching};
}

// The value for a key that the command line does not give.
class Choices {
 public:
  explicit Choices(const Origins& given) : given_(given) {}
  bool open(const std::string& key) const { return !given_.contains(key); }
  template <class T>
  void set(const char* key, T& member, const std::type_identity_t<T>& value) const {
    if (open(key)) {
      member = value;
    }
  }

 private:
  const Origins& given_;
};

// The side of pictures that a model from scratch learns from in reasonable time, or that common
// weights were trained with; pictures are not enlarged much.
int64_t suggested_side(const DataFacts& facts, bool pretrained, Device device) {
  const int64_t wanted = pretrained || !device.is_cpu() ? 224 : facts.pictures < 20000 ? 128 : 160;
  const int64_t own = (facts.side + kStep / 2) / kStep * kStep;
  return facts.side > 0 ? std::clamp(own, kStep, wanted) : wanted;
}

// After random crops of 0.4 to 1 of the area, objects are as large as in training at 1.2 times the
// side (see for_evaluation()). 0: none larger.
int64_t side_for_evaluation(int64_t side) {
  const int64_t larger = (side * 5 / 4 + kStep / 2) / kStep * kStep;
  return larger > side ? larger : 0;
}

// At least four updates an epoch.
int64_t suggested_batch(const DataFacts& facts, Device device) {
  int64_t batch = facts.pictures < 400 ? 8 : facts.pictures < 2000 ? 16 : 32;
  batch *= device.is_cpu() ? 1 : 2;
  while (batch > 2 && batch * 4 > facts.pictures) {
    batch /= 2;
  }
  return batch;
}

// So many pictures are shown in all; small data are shown more often, up to a limit.
int64_t suggested_epochs(const DataFacts& facts, bool pretrained, Device device) {
  const int64_t shown = (pretrained ? 30'000 : 60'000) * (device.is_cpu() ? 1 : 4);
  return std::clamp<int64_t>(shown / std::max<int64_t>(facts.pictures, 1), pretrained ? 5 : 10, 60);
}

// The averaged weights reach back over a twentieth of the run.
double suggested_decay(int64_t updates) {
  constexpr double kPart = 20;
  return updates < 100 ? 0
                       : std::round(std::clamp(1 - kPart / static_cast<double>(updates), 0.9,
                                               TrainSpec{}.model_ema_decay) * 1e4) / 1e4;
}

// A path as the config shall have it; "" stays.
std::string path_in_config(const std::string& path, const std::filesystem::path& folder) {
  const std::filesystem::path below = std::filesystem::path(path).lexically_relative(folder);
  return path.empty() || below.empty() || *below.begin() == ".." ? path : below.native();
}

}  // namespace

StartingPoint starting_point(const std::string& weights, const std::vector<std::string>& classes) {
  CheckpointFile file(weights_file(weights), Verify::metadata_only);
  if (file.ours()) {
    return start_of_ours(file, classes);
  }
  const NearestBackbone nearest = nearest_backbone(file.tensors());
  require<DataError>(nearest.of > 0 && nearest.found == nearest.of,
                     "{}: these are weights of no backbone here{}; a config may set model.backbone "
                     "and model.init_policy = \"matching\"", printable(file.path()),
                     nearest.of > 0 ? fmt::format(" (of {}, {} of {} tensors fit)", nearest.name,
                                                  nearest.found, nearest.of) : "");
  StartingPoint start;
  start.model.backbone = nearest.name;
  start.preprocess.image_size = 224;
  start.preprocess.normalize = backbone_row(start.model).trained_with;
  return start;
}

void choose_settings(const DataFacts& facts, const std::optional<StartingPoint>& start,
                     Device device, const Origins& given, Config& c) {
  const Choices the(given);
  the.set("task", c.task, facts.one_label ? Task::single_label : Task::multi_label);
  const bool single = c.task == Task::single_label;
  if (start) {
    const bool backbone_only = start->policy == InitPolicy::backbone;
    the.set("model.backbone", c.model.backbone, start->model.backbone);
    the.set("model.init_policy", c.init.init_policy, start->policy);
    the.set("data.normalize", c.preprocess.normalize, start->preprocess.normalize);
    if (single || !backbone_only) {  // a crop may lose some of several labels
      the.set("data.resize", c.preprocess.resize, start->preprocess.resize);
    }
    the.set("data.interpolation", c.preprocess.interpolation, start->preprocess.interpolation);
    if (!backbone_only) {
      the.set("data.crop_pct", c.preprocess.crop_pct, start->preprocess.crop_pct);
    }
    if (!backbone_only && the.open("model.head")) {
      const std::string backbone = c.model.backbone;
      c.model = start->model;
      c.model.backbone = backbone;
    }
  } else {
    the.set("model.backbone", c.model.backbone, "resnet18");
  }
  if (!start || start->policy == InitPolicy::backbone) {
    the.set("model.head", c.model.head, single ? "gap" : "ml_decoder");
    if (c.model.head != "gap") {
      the.set("model.embed_dim", c.model.embed_dim, facts.classes <= 100 ? 256 : 512);
    }
  }
  the.set("data.exif", c.preprocess.exif, Exif::apply);
  const bool ours = start && start->policy != InitPolicy::backbone;
  the.set("data.image_size", c.preprocess.image_size,
          ours ? start->preprocess.image_size : suggested_side(facts, start.has_value(), device));
  const bool several_from_weights = start && !single;  // measured: docs/results.md, VOC 2007
  the.set("data.eval_size", c.preprocess.eval_size,
          several_from_weights ? side_for_evaluation(c.preprocess.image_size) : 0);
  the.set("augment.hflip", c.augment.hflip, 0.5);
  the.set("augment.crop_scale", c.augment.crop_scale, Pair{0.4, 1.0});
  the.set("augment.cutout", c.augment.cutout, 0);
  the.set("augment.aa", c.augment.aa,
          several_from_weights ? AutoAugment::timm : AutoAugment::none);
  the.set("loss.name", c.loss.name, single ? "ce" : "asl");
  the.set("train.best_metric", c.train.best_metric, single ? "top1" : "mAP");
  the.set("train.batch_size", c.train.batch_size, suggested_batch(facts, device));
  the.set("train.epochs", c.train.epochs, suggested_epochs(facts, start.has_value(), device));
  the.set("optim.name", c.optim.name, "adamw");
  the.set("optim.lr", c.optim.lr, c.train.batch_size < 16 ? 3e-4 : 5e-4);
  the.set("optim.weight_decay", c.optim.weight_decay, start ? 0.02 : 0.05);
  the.set("optim.layer_decay", c.optim.layer_decay,
          several_from_weights && c.model.head != "gap" ? 0.9 : 1);
  the.set("schedule.name", c.schedule.name, "onecycle");
  the.set("train.model_ema_decay", c.train.model_ema_decay,
          suggested_decay(c.train.epochs * (facts.pictures / c.train.batch_size)));
}

std::string fit_memory(const DataFacts& facts, Device device, size_t data_bytes,
                       const Origins& given, Config& c) {
  const Choices the(given);
  const auto free = static_cast<double>(memory_pool(device).free_bytes()) * 0.8;
  const int64_t batch = c.train.batch_size, side = c.preprocess.image_size;
  const auto needs = [&] {
    return static_cast<double>(training_needs(c, facts.classes, device, data_bytes).on(device));
  };
  const double first = needs();
  double now = first;
  while (now > free && the.open("train.batch_size") && c.train.batch_size > kLeastBatch) {
    c.train.batch_size /= 2;
    now = needs();
  }
  while (now > free && the.open("data.image_size") && c.preprocess.image_size > 2 * kStep) {
    c.preprocess.image_size -= kStep;
    if (c.preprocess.eval_size > 0 && the.open("data.eval_size")) {
      c.preprocess.eval_size = side_for_evaluation(c.preprocess.image_size);
    }
    now = needs();
  }
  if (c.train.batch_size == batch && c.preprocess.image_size == side) {
    return "";
  }
  return fmt::format("batches of {} at {} px would take {:.2f} GiB, {:.2f} GiB are free", batch,
                     side, first / 0x1p30, free / 0.8 / 0x1p30);
}

std::string settings_text(const Config& config, const std::filesystem::path& folder) {
  constexpr size_t kCommentColumn = 34;
  const Config defaults;
  std::string text, section;
  for (const Key& key : config_keys()) {
    Value value = key.get(config);
    const bool chosen = to_toml_value(value) != to_toml_value(key.get(defaults));
    const std::string name = key.full_name();
    if (!chosen && name != "task" && name != "model.head" && name != "loss.name") {
      continue;
    }
    if (key.section != section) {
      section = key.section;
      text += fmt::format("\n[{}]\n", section);
    }
    if (key.effect == Effect::place) {
      value = path_in_config(std::get<std::string>(value), folder);
    }
    std::string line = fmt::format("{} = {}", key.name, to_toml_value(value));
    line.resize(std::max(line.size() + 2, kCommentColumn), ' ');
    text += fmt::format("{}# {}\n", line, key.meaning);
  }
  return text;
}

}  // namespace mld
