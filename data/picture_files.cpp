#include "data/picture_files.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <span>

#include "core/error.h"
#include "data/image.h"
#include "data/text.h"

namespace mld {
namespace fs = std::filesystem;
namespace {

// Why a file is not a picture; empty if it is one.
std::string reason_against(const fs::path& file) {
  if (is_picture_name(file.filename().native())) {
    return "";
  }
  std::error_code error;
  if (!fs::is_regular_file(file, error)) {  // a pipe, say, which must not be opened
    return "not a file";
  }
  std::array<char, 32> start{};
  std::ifstream in(file, std::ios::binary);
  in.read(start.data(), start.size());
  const PictureKind kind = picture_kind(
      {reinterpret_cast<const uint8_t*>(start.data()), static_cast<size_t>(in.gcount())});
  if (kind.format == nullptr) {
    return "not a picture";
  }
  return kind.readable ? "" : fmt::format("in {}, which is not read", kind.format);
}

}  // namespace

void LeftOut::add(const std::string& reason, const std::string& file) {
  ++files_.try_emplace(reason, 0, file).first->second.first;
}

std::string LeftOut::text() const {
  std::string text;
  for (const auto& [reason, files] : files_) {
    text += fmt::format("{}{} {} ({}{})", text.empty() ? "" : ", ", files.first, reason,
                        printable(files.second), files.first > 1 ? ", ..." : "");
  }
  return text;
}

std::vector<std::string> list_pictures(const fs::path& folder, const fs::path& base,
                                       LeftOut& left_out) {
  std::vector<std::string> pictures;
  std::vector<fs::path> folders = {folder};
  while (!folders.empty()) {
    const fs::path current = std::move(folders.back());
    folders.pop_back();
    std::error_code closed;
    const std::vector<fs::path> entries = sorted_entries(current, closed);
    if (closed) {
      require<DataError>(current != base, "{}: cannot list the folder: {}",
                         printable(base.native()), closed.message());
      left_out.add("a folder that cannot be listed", current.lexically_relative(base).native());
      continue;
    }
    for (const fs::path& entry : entries) {
      std::error_code error;
      const std::string name = entry.lexically_relative(base).native();
      if (is_hidden(entry)) {
        left_out.add("hidden", name);
      } else if (fs::is_directory(fs::symlink_status(entry, error))) {
        folders.push_back(entry);
      } else if (fs::is_directory(entry, error)) {
        left_out.add("a link to a folder", name);
      } else if (const std::string reason = reason_against(entry); !reason.empty()) {
        left_out.add(reason, name);
      } else {
        pictures.push_back(name);
      }
    }
  }
  std::sort(pictures.begin(), pictures.end());
  return pictures;
}

bool is_picture(const fs::path& file) {
  std::error_code error;
  return !is_hidden(file) && !fs::is_directory(file, error) && reason_against(file).empty();
}

bool holds_picture(const fs::path& folder) {
  std::error_code error;
  return std::ranges::any_of(sorted_entries(folder, error), is_picture);
}

bool is_picture_name(std::string_view name) {
  static constexpr std::array<std::string_view, 16> kEndings = {
      ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".png", ".gif", ".webp",
      ".tif", ".tiff", ".bmp", ".tga",  ".ppm",   ".pgm", ".pbm", ".pnm"};
  std::string lower(name.size() > 6 ? name.substr(name.size() - 6) : name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return lower.ends_with(ending); });
}

std::string normal_path(const fs::path& path) {
  const std::string& text = path.native();
  const bool odd = text.starts_with('.') || text.find("/.") != std::string::npos ||
                   text.find("//") != std::string::npos;
  return odd ? path.lexically_normal().native() : text;  // the rule's common case is fast
}

bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

std::vector<fs::path> sorted_entries(const fs::path& folder, std::error_code& error) {
  fs::directory_iterator entry(folder, error);
  std::vector<fs::path> paths;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    paths.push_back(entry->path());
  }
  std::sort(paths.begin(), paths.end(),
            [](const auto& a, const auto& b) { return a.native() < b.native(); });
  return paths;
}

std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> paths = sorted_entries(folder, error);
  require<DataError>(!error, "{}: cannot list the folder: {}", printable(folder.native()),
                     error.message());
  return paths;
}

}  // namespace mld
