// The sinks that write a run's files: train.log, results.csv, log.jsonl and val/ (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "train/run_log.h"

namespace mld {

// Opens the files in a run's folder, and those for other programs that the config asks for, after
// cutting off entries beyond `step`: those of a run that was killed after its last save.
// Errors: DataError if one of them cannot be written.
std::vector<std::unique_ptr<LogSink>> file_sinks(const RunFolder& folder, int64_t step,
                                                 const Config& config = {});

// Cuts a text file before the first line for which keep(line) is false or that has no '\n'.
void cut_lines(const std::filesystem::path& path,
               const std::function<bool(std::string_view line)>& keep);

// Cuts a CSV file (with an integer column `step` in its header) after the last row whose step is at
// most `step`, and drops a partial last line. A missing file is fine. Errors: DataError if the
// header has no such column or the file cannot be changed.
void cut_csv(const std::filesystem::path& path, int64_t step);

// The same for lines of JSON objects: everything from the first line on that is incomplete or
// whose member "step" exceeds `step`. Lines without the member stay.
void cut_jsonl(const std::filesystem::path& path, int64_t step);

// Removes val/ files of weights that had seen more updates: those of a run that was killed before
// it saved them. What does not say of which weights it is stays.
void cut_evaluation(const RunFolder& folder, int64_t step);

}  // namespace mld
