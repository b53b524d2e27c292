// The page: its sections in order, and how it is made from run folders.
#include "app/report.h"

#include <filesystem>

#include "app/config_file.h"
#include "app/program.h"
#include "app/report/page_frame.h"
#include "app/report/section.h"
#include "data/file.h"
#include "data/text.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPicturesOnDemand = 500;  // of a split, decoded for their sizes
constexpr int64_t kPicturesInRun = 100;

const ReportSection* const kSections[] = {
    &summary_section, &curves_section,     &data_section,   &metrics_section,
    &zero_shot_section, &attention_section, &comparison_section, &config_section, &log_section};

fs::path report_file(const RunFolder& folder) { return folder.root / "report.html"; }

// What can be missing without making the report useless becomes a gap.
ReportRun read_run(const fs::path& root, std::vector<std::string>& gaps) {
  const RunFolder folder{root};
  require<DataError>(fs::exists(folder.config()), "{}: no run folder: it has no config.toml",
                     printable(root.native()));
  const std::string config = read_text_file(folder.config(), kMaxConfigBytes);
  ReportRun run{.folder = folder, .name = fs::absolute(root).lexically_normal().filename().native(),
                .config = parse_kept_config(config, folder.config().native()),
                .history = read_history(folder), .best = {}};
  if (run.name.empty()) {  // the path ends in a slash
    run.name = fs::absolute(root).lexically_normal().parent_path().filename().native();
  }
  try {
    run.best = read_kept_evaluation(run.folder);
  } catch (const DataError& error) {
    gaps.push_back(error.what());
  }
  return run;
}

std::string page(const ReportInput& input, size_t picture_bytes) {
  Page page(input.several() ? fmt::format("{} runs", input.runs.size()) : input.run().name);
  PictureBudget pictures(picture_bytes);
  for (const ReportSection* section : kSections) {
    if (section->applies(input)) {
      section->fill(input, pictures, page.section(section->id, section->heading, section->file));
    }
  }
  page.note_left_out(pictures.left_out());
  return page.html();
}

// Writes the report after every epoch. The data are looked at once.
class ReportSink : public LogSink {
 public:
  ReportSink(RunFolder folder, const Config& config, const Splits& splits)
      : folder_(std::move(folder)), config_(config), splits_(splits) {}

  void epoch(const EpochReport&) override try {
    if (!data_) {
      data_ = summarize(splits_, config_, kPicturesInRun);
    }
    std::vector<std::string> gaps;
    std::vector<ReportRun> runs;
    runs.push_back(read_run(folder_.root, gaps));
    write_file_atomically(report_file(folder_),
                          report_page({std::move(runs), &*data_, std::move(gaps)}));
  } catch (const std::exception& error) {
    problem_ = fmt::format("{}: not written: {}", report_file(folder_).string(), error.what());
  }

 private:
  RunFolder folder_;
  const Config& config_;
  const Splits& splits_;
  std::optional<DataSummary> data_;
};

// The first run's data, if they are where they were, and what its best weights do with them.
struct LookedAt {
  std::optional<DataSummary> data;
  std::optional<AttentionSummary> attention;
};

// Errors that say that the data are not there become a gap.
LookedAt look_at(const ReportRun& run, std::vector<std::string>& gaps) {
  LookedAt found;
  const auto missing = [&](const std::exception& error) {
    gaps.push_back(fmt::format("Nothing about the data: {}", error.what()));
  };
  try {
    Config config = run.config.config;
    config.data.vectors.clear();  // large, and nothing here needs them
    const Splits splits = open_splits(data_options(config));
    found.data = summarize(splits, config, kPicturesOnDemand);
    found.attention = look_at_attention(run, *splits.val, gaps);
  } catch (const Error& error) {
    missing(error);
  } catch (const fs::filesystem_error& error) {
    missing(error);
  }
  return found;
}

}  // namespace

std::string report_page(const ReportInput& input) {
  const size_t pictures = kMostPageBytes - kPageTextBytes;
  std::string text = page(input, pictures);
  if (text.size() > kMostPageBytes) {  // long texts: fewer pictures
    const size_t excess = text.size() - kMostPageBytes;
    text = page(input, pictures > excess ? pictures - excess : 0);
  }
  return text;
}

ExitCode write_report(const ReportCommand& command) {
  std::vector<std::string> gaps;
  std::vector<ReportRun> runs;
  for (const std::string& run : command.runs) {
    runs.push_back(read_run(run, gaps));
  }
  const bool several = runs.size() > 1;
  const LookedAt found = several ? LookedAt{} : look_at(runs.front(), gaps);
  const RunFolder first = runs.front().folder;
  const fs::path out = !command.out.empty() ? fs::path(command.out)
                       : several            ? first.root / "comparison.html"
                                            : report_file(first);
  write_file_atomically(
      out, report_page({.runs = std::move(runs), .data = found.data ? &*found.data : nullptr,
                        .gaps = std::move(gaps),
                        .attention = found.attention ? &*found.attention : nullptr}));
  print(stdout, "{}\n", printable(out.native()));
  return ExitCode::ok;
}

void add_report(RunLog& log, const RunFolder& folder, const Config& config, const Splits& splits) {
  log.add(std::make_unique<ReportSink>(folder, config, splits));
}

}  // namespace mld
