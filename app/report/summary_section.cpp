// The head of the report: what was trained, how good it is, what to do with it.
#include <algorithm>

#include "app/report/plot.h"
#include "app/report/section.h"
#include "app/report/shell_word.h"
#include "data/text.h"
#include "train/run_log.h"
#include "train/training_state.h"

namespace mld {
namespace {

std::string percent(double value) { return fmt::format("{:.2f}", value); }

// "mAP 85.61 % in epoch 12, averaged weights"
std::string best_text(const ReportRun& run) {
  const RunHistory::Epoch* best = nullptr;
  bool average = false;
  double value = 0;
  for (const RunHistory::Epoch& epoch : run.history.epochs) {
    for (const auto& [metric, averaged] :
         {std::pair(epoch.raw, false), std::pair(epoch.average, true)}) {
      if (metric && (best == nullptr || *metric > value)) {
        best = &epoch;
        value = *metric;
        average = averaged;
      }
    }
  }
  return best == nullptr ? "not validated yet"
                         : fmt::format("{} {} % in epoch {}, {} weights", run.history.metric,
                                       percent(value), best->epoch, average ? "averaged" : "raw");
}

std::string length_text(const ReportRun& run) {
  const size_t done = run.history.epochs.size();
  const TrainSpec& spec = run.config.config.train;
  const std::string time = format_duration(run.history.seconds());
  return fmt::format("{} of {} in {}", done,
                     counted(all_epochs(run.config.config.schedule, spec.epochs), "epoch"), time);
}

std::string model_text(const Config& config) {
  return fmt::format("{} + {}, {} pixels a side", config.model.backbone, config.model.head,
                     config.preprocess.image_size);
}

std::string data_text(const ReportInput& input) {
  const Config& config = input.run().config.config;
  std::string text = config.data.format;
  if (input.data != nullptr) {
    text += fmt::format(", {} to train on, {} to validate on, {} classes",
                        counted(input.data->train.labels.pictures, "picture"),
                        input.data->val.labels.pictures, input.data->val.class_names.size());
  } else if (input.run().best) {
    text += fmt::format(", {} to validate on, {} classes",
                        counted(input.run().best->samples, "picture"),
                        input.run().best->classes.size());
  }
  return text + (config.data.root.empty() ? "" : ", in " + config.data.root.native());
}

void add_fact(const Slots& slots, const char* name, const std::string& value) {
  Slots fact = slots.section("FACT");
  fact.set("NAME", name);
  fact.set("VALUE", value);
}

void fill_one(const ReportInput& input, const Slots& slots) {
  const ReportRun& run = input.run();
  const Slots one = slots.section("ONE");
  add_fact(one, "Task", std::string(word(run.config.config.task)));
  add_fact(one, "Best score", best_text(run));
  add_fact(one, "Model", model_text(run.config.config));
  add_fact(one, "Data", data_text(input));
  add_fact(one, "Training", length_text(run));
  if (!run.history.last_time.empty()) {
    add_fact(one, "Last event", run.history.last_time);
  }
  const std::string folder = shell_word(run.folder.root.native());
  one.show("COMMAND", "TEXT", fmt::format("mlinfer predict {} PICTURE", folder));
  const bool more = static_cast<int64_t>(run.history.epochs.size()) <
                    all_epochs(run.config.config.schedule, run.config.config.train.epochs);
  one.show("COMMAND", "TEXT",
           fmt::format("{} {}", more ? "mltrain --resume" : "mlinfer eval", folder));
}

void fill_summary(const ReportInput& input, PictureBudget&, Slots slots) {
  if (!input.several()) {
    fill_one(input, slots);
  } else {
    const Slots several = slots.section("SEVERAL");
    for (const ReportRun& run : input.runs) {
      Slots row = several.section("RUN");
      row.set_name("NAME", run.name);
      row.set("TASK", word(run.config.config.task));
      row.set("BEST", best_text(run));
      row.set("MODEL", model_text(run.config.config));
      row.set("LENGTH", length_text(run));
    }
  }
  for (const std::string& gap : input.gaps) {
    slots.show("GAP", "TEXT", gap);
  }
}

}  // namespace

const ReportSection summary_section{"summary", "Summary", "summary.html",
                                    [](const ReportInput&) { return true; }, fill_summary};

}  // namespace mld
