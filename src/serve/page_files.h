#pragma once
// The files of the built page (web/), part of the program.
//
// Ownership: static data. Threads: immutable.

#include <span>
#include <string_view>

namespace vs::serve {

struct PageFile {
  std::string_view name;          ///< "index.html", "assets/page-1a2b.js": relative to the page
  std::string_view content_type;  ///< with charset where the type has one
  std::string_view bytes;
};

/// Empty when the program was built without the page.
[[nodiscard]] std::span<const PageFile> page_files();

}  // namespace vs::serve
