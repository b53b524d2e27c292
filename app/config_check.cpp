#include "app/config_check.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "data/prompts.h"
#include "data/text.h"
#include "models/registry.h"
#include "train/evaluate.h"
#include "train/event_files.h"
#include "train/mlflow_store.h"

namespace mld {
namespace {

// Code points of UTF-8 text: approximately its width on a terminal, good enough to place a caret.
size_t width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// Collects contradictions between keys; each is reported at the place of the key given last.
class Contradictions {
 public:
  Contradictions(const GivenKeys& given, std::vector<std::string>& problems)
      : given_(given), problems_(problems) {}

  void check(bool contradiction, const std::vector<std::string>& keys,
             const std::string& what) const {
    const bool refused = std::any_of(keys.begin(), keys.end(), [&](const std::string& key) {
      return given_.contains(key) && !given_.at(key).valid;
    });
    if (!contradiction || refused) {
      return;
    }
    for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
      const auto found = given_.find(*key);
      if (found != given_.end()) {
        problems_.push_back(located_message(found->second.file, found->second.place, what));
        return;
      }
    }
    problems_.push_back(what);
  }

 private:
  const GivenKeys& given_;
  std::vector<std::string>& problems_;
};

// The names of the rows with this value of a flag: "asl, bce".
template <class Row>
std::string names_where(std::span<const Row> rows, bool Row::*flag, bool value) {
  std::string names;
  for (const Row& row : rows) {
    if (row.*flag == value) {
      names.append(names.empty() ? "" : ", ").append(row.name);
    }
  }
  return names;
}

// What this build can log, and names that the logs can hold.
void check_log(const LogSpec& log, const Contradictions& the) {
  the.check(log.tensorboard == Wanted::on && !can_write_event_files(), {"log.tensorboard"},
            "log.tensorboard: this build cannot write event files (it was made with "
            "-DMLD_PROTOBUF=OFF); use auto, or build with -DMLD_PROTOBUF=ON, which needs the "
            "packages listed in tools/setup");
  the.check(!is_experiment_name(log.mlflow_experiment), {"log.mlflow_experiment"},
            "log.mlflow_experiment: expected letters, digits, '_', '-' and '.', a letter first");
}

}  // namespace

std::string located_message(const std::string& file, const TomlPlace& place,
                            std::string_view what) {
  constexpr size_t kWidest = 160;
  const bool has_line = place.line > 0;
  std::string message = has_line ? fmt::format("{}:{}:{}: {}", file, place.line, place.column, what)
                                 : fmt::format("{}: {}", file, what);
  const size_t column = static_cast<size_t>(std::max<int64_t>(place.column, 1)) - 1;
  if (place.text.empty() || column > place.text.size() || column > kWidest) {
    return message;
  }
  const std::string before = printable(place.text.substr(0, column));
  const std::string marked =
      printable(place.text.substr(column, static_cast<size_t>(place.length)));
  const std::string number = has_line ? fmt::format("{}", place.line) : "";
  message += fmt::format("\n {} | {}", number,
                         printable(std::string_view(place.text).substr(0, kWidest)));
  message += fmt::format("\n {} | {}^{}", std::string(number.size(), ' '),
                         std::string(width(before), ' '),
                         std::string(std::clamp<size_t>(width(marked), 1, kWidest) - 1, '~'));
  return message;
}

void check_contradictions(const Config& c, const GivenKeys& given,
                          std::vector<std::string>& problems) {
  Contradictions the(given, problems);
  const bool single = c.task == Task::single_label;
  the.check(c.name.empty() || c.name == "." || c.name == ".." ||
                c.name.find('/') != std::string::npos,
            {"name"}, "name: expected a name for the run's folder, without '/'");
  the.check(c.task == Task::zero_shot && !reads_words(c.model),
            {"task", "model.head", "model.query", "model.pooling"},
            "task zero-shot needs a model that knows its classes by word vectors: model.head sdl, "
            "or ml_decoder with model.query nlp and model.pooling shared or word");
  the.check(c.task != Task::zero_shot && !(c.data.unseen.empty() && c.data.seen.empty()),
            {"task", "data.unseen", "data.seen"}, "data.unseen and data.seen need task zero-shot");
  const LossRow& loss = loss_row(c.loss);
  the.check(loss.single_label && !single, {"task", "loss.name"},
            fmt::format("loss.name {} ({}) needs task single-label; else use one of {}", loss.name,
                        loss.meaning, names_where(losses(), &LossRow::single_label, false)));
  the.check(c.loss.smoothing > 0 && !single, {"task", "loss.smoothing"},
            "loss.smoothing needs task single-label");
  the.check(c.loss.target_threshold > 0 && !loss.thresholds, {"loss.name", "loss.target_threshold"},
            "loss.target_threshold needs loss.name " +
                names_where(losses(), &LossRow::thresholds, true));
  the.check(loss.embeddings != (c.model.head == "sdl"), {"model.head", "loss.name"},
            "model.head sdl and loss.name sdl need each other");
  the.check(!is_prompt_template(c.model.clip.prompt), {"clip.prompt"},
            "clip.prompt: expected text with {} once, where the label goes, as in \"a photo of "
            "{}\"");
  the.check(c.train.cuda_graph && reads_prompts(c.model), {"model.head", "train.cuda_graph"},
            fmt::format("train.cuda_graph cannot capture model.head {}, whose texts are looked at "
                        "on the host; use false", c.model.head));
  const auto metrics = best_metric_names(c.task);
  the.check(std::find(metrics.begin(), metrics.end(), c.train.best_metric) == metrics.end(),
            {"task", "train.best_metric"},
            fmt::format("train.best_metric {} needs task {}; use mAP", c.train.best_metric,
                        word(c.train.best_metric.find("top") == 0 ? Task::single_label
                                                                  : Task::zero_shot)));
  the.check(c.data.root.empty() && c.data.format != "shapes", {"data.format", "data.root"},
            fmt::format("data.root is missing: data.format {} reads a folder", c.data.format));
  the.check(c.augment.crop_scale && ((*c.augment.crop_scale)[0] > (*c.augment.crop_scale)[1] ||
                                     (*c.augment.crop_scale)[0] <= 0),
            {"augment.crop_scale"},
            "augment.crop_scale: expected [low, high] with 0 < low <= high");
  the.check((c.augment.mixup > 0 || c.augment.cutmix > 0) && c.train.batch_size % 2 != 0,
            {"train.batch_size", "augment.mixup", "augment.cutmix"},
            fmt::format("augment.mixup and augment.cutmix mix pairs: train.batch_size {} must be "
                        "even", c.train.batch_size));
  const int attention_heads = head_row(c.model).attention_heads;
  the.check(attention_heads > 0 && c.model.embed_dim % attention_heads != 0,
            {"model.head", "model.embed_dim"},
            fmt::format("model.embed_dim {} must be a multiple of {} (attention heads)",
                        c.model.embed_dim, attention_heads));
  the.check(c.model.groups == 0, {"model.groups"},
            "model.groups: expected -1 (automatic) or at least 1");
  const ScheduleRow& schedule = schedule_row(c.schedule);
  the.check(!schedule.warms_up && c.schedule.warmup_epochs > 0,
            {"schedule.name", "schedule.warmup_epochs"},
            fmt::format("schedule.warmup_epochs: {} rises during schedule.pct_start of the run "
                        "already", schedule.name));
  the.check(!schedule.cools_down && c.schedule.cooldown_epochs > 0,
            {"schedule.name", "schedule.cooldown_epochs"},
            "schedule.cooldown_epochs needs schedule.name " +
                names_where(schedules(), &ScheduleRow::cools_down, true));
  the.check(c.schedule.warmup_epochs > c.train.epochs, {"train.epochs", "schedule.warmup_epochs"},
            fmt::format("schedule.warmup_epochs {} exceeds train.epochs {}",
                        c.schedule.warmup_epochs, c.train.epochs));
  the.check(schedule.cools_down && c.schedule.min_lr > c.optim.lr,
            {"optim.lr", "schedule.min_lr"},
            fmt::format("schedule.min_lr {} exceeds optim.lr {}", c.schedule.min_lr, c.optim.lr));
  the.check(c.train.batch_size % c.optim.grad_accum_steps != 0,
            {"train.batch_size", "optim.grad_accum_steps"},
            fmt::format("train.batch_size {} cannot be split into optim.grad_accum_steps {} equal "
                        "parts",
                        c.train.batch_size, c.optim.grad_accum_steps));
  check_log(c.log, the);
}

}  // namespace mld
