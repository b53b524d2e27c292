// The report's sections, each a file here and a row of the table in report.cpp.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/report/attention_summary.h"
#include "app/report/data_summary.h"
#include "app/report/kept_evaluation.h"
#include "app/report/slots.h"
#include "app/report/pictures.h"
#include "app/report/run_history.h"
#include "app/report/split_scores.h"
#include "train/config.h"
#include "train/run_folder.h"

namespace mld {

// A run as its folder tells it.
struct ReportRun {
  RunFolder folder;
  std::string name;  // of the folder
  LoadedConfig config;
  RunHistory history;
  std::optional<KeptEvaluation> best;  // of the best weights so far
};

struct ReportInput {
  std::vector<ReportRun> runs;        // at least one; the first is what single-run sections show
  const DataSummary* data = nullptr;  // of the first run; null: not looked at, see `gaps`
  std::vector<std::string> gaps;      // what the report lacks, and why
  // Of the first run's best weights, as far as their scores are kept; null: not at all.
  const SplitScores *val = nullptr, *train = nullptr;
  const AttentionSummary* attention = nullptr;  // of the first run; null: as data

  const ReportRun& run() const { return runs.front(); }
  bool several() const { return runs.size() > 1; }
};

// A section: the template `file` is filled if it applies.
struct ReportSection {
  const char* id;  // of its HTML element
  const char* heading;
  const char* file;
  bool (*applies)(const ReportInput& input);
  void (*fill)(const ReportInput& input, PictureBudget& pictures, Slots slots);
};

// All of them, in the page's order.
std::span<const ReportSection* const> report_sections();

// The whole page, at most 8 MB unless the texts alone take more.
std::string report_page(const ReportInput& input);

extern const ReportSection summary_section, curves_section, data_section, metrics_section,
    classes_section, scores_section, errors_section, label_errors_section, attention_section,
    confusion_section, zero_shot_section, comparison_section, config_section, log_section;

}  // namespace mld
