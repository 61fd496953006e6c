#include "os/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "os/beneath.h"

namespace vs::os {
namespace {

TEST(MemoryFiles, ListsFoldersAndReadsShortAtTheEnd) {
  MemoryFiles files;
  files.put("t/metadata", "abc");
  files.put("t/index/k.idx", "x");
  const auto entries = files.list("t");
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_TRUE(entries.value()[0].folder);
  const auto file = files.open("t/metadata");
  ASSERT_TRUE(file.ok());
  std::array<std::byte, 8> out{};
  EXPECT_EQ((*file)->read_at(1, out).value(), 2U);
  EXPECT_EQ((*file)->read_at(9, out).value(), 0U);
}

TEST(RealFiles, SaysWhatIsMissing) {
  const auto file = real_files().open("/nonexistent/x");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().to_string(), "/nonexistent/x: cannot open: No such file or directory");
  const auto folder = real_files().open("/");
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().what, "not a regular file");
}

TEST(RealFiles, SurvivesTruncationAfterOpening) {
  std::string path = testing::TempDir() + "vs_file_XXXXXX";
  const int fd = ::mkstemp(path.data());
  ASSERT_GE(fd, 0);
  ASSERT_EQ(::write(fd, "0123456789", 10), 10);
  const auto file = real_files().open(path);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(::ftruncate(fd, 4), 0);
  std::array<std::byte, 10> out{};
  EXPECT_EQ((*file)->read_at(0, out).value(), 4U);
  EXPECT_EQ((*file)->size(), 10U);
  ::close(fd);
  ::unlink(path.c_str());
}

TEST(FilesBeneath, NothingLeadsOut) {
  namespace fs = std::filesystem;
  const fs::path base = fs::path(testing::TempDir()) / ("vs_beneath_" + std::to_string(::getpid()));
  fs::create_directories(base / "root/sub");
  std::ofstream(base / "root/sub/inside") << "abc";
  std::ofstream(base / "secret") << "xyz";
  fs::create_symlink("sub/inside", base / "root/link");
  fs::create_symlink("../secret", base / "root/out");
  fs::create_symlink(base / "secret", base / "root/absolute");
  fs::create_symlink("..", base / "root/sub/up");
  const std::string root = real_folder((base / "root").string()).value();
  const auto files = files_beneath(root);
  ASSERT_TRUE(files.ok()) << files.error().to_string();
  EXPECT_EQ((*files)->open(root + "/sub/inside").value()->size(), 3U);
  EXPECT_EQ((*files)->open(root + "/link").value()->size(), 3U);
  EXPECT_EQ((*files)->open(root + "/sub/up/link").value()->size(), 3U);
  EXPECT_EQ((*files)->list(root).value().size(), 4U);
  EXPECT_TRUE((*files)->stat(root + "/sub").value().folder);
  for (const std::string& path :
       {root + "/out", root + "/absolute", root + "/../secret", root + "/sub/up/../secret",
        (base / "secret").string(), root + "x", std::string("/etc/passwd"), std::string("secret"),
        root + "/sub/../../secret", root + "/none"}) {
    EXPECT_EQ((*files)->open(path).error().code, ErrorCode::kNotFound) << path;
    EXPECT_EQ((*files)->stat(path).error().code, ErrorCode::kNotFound) << path;
    EXPECT_FALSE((*files)->list(path).ok()) << path;
  }
  EXPECT_EQ(real_folder((base / "secret").string()).error().code, ErrorCode::kBadUse);
  EXPECT_EQ(real_folder((base / "none").string()).error().code, ErrorCode::kNotFound);
  fs::remove_all(base);
}

TEST(ReadWhole, RefusesByLimit) {
  MemoryFiles files;
  files.put("a", "12345");
  const auto file = files.open("a");
  EXPECT_TRUE(read_whole(**file, 5, "a").ok());
  EXPECT_EQ(read_whole(**file, 4, "a").error().code, ErrorCode::kLimit);
}

TEST(Paths, JoinAndBase) {
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("/", "b"), "/b");
  EXPECT_EQ(base_name("/x/y/"), "y");
  EXPECT_EQ(base_name("y"), "y");
}

}  // namespace
}  // namespace vs::os
