// SPDX-License-Identifier: MIT
// Lines in, lines out, the journal between them, and a job over a real engine. The same over MPI is
// tools/mpi.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/descriptor.h"
#include "batch/input.h"
#include "batch/job.h"
#include "batch/journal.h"
#include "batch/line_reader.h"
#include "batch/ordered_output.h"
#include "batch/output.h"
#include "batch/progress.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/local_cluster.h"

namespace tern {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kModel[] = TERN_SOURCE_DIR "/model/data/tern-sample.gguf";

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A file with this text.
LineReader ReaderOf(const std::string& text) {
  std::FILE* file = std::tmpfile();
  std::fwrite(text.data(), 1, text.size(), file);
  std::rewind(file);
  LineReader reader{Descriptor(dup(fileno(file)))};
  std::fclose(file);
  return reader;
}

std::string Contents(std::FILE* file) {
  std::rewind(file);
  char text[256];
  return {text, std::fread(text, 1, sizeof(text), file)};
}

// A name in the test's directory that nothing has yet.
std::string FreshPath(const char* name) {
  const std::string path = ::testing::TempDir() + name + "." + std::to_string(getpid());
  std::filesystem::remove(path);
  return path;
}

BatchSettings Settings() {
  BatchSettings settings;
  settings.model = "m";
  settings.kv_type = "f16";
  settings.sampling.seed = 10;
  settings.max_tokens = 7;
  settings.stop = {"END"};
  return settings;
}

std::string ErrorOf(const std::string& line) {
  const ParsedLine parsed = ParseLine(line, 3, Settings());
  EXPECT_FALSE(parsed.status.ok()) << line;
  return std::string(parsed.status.message());
}

// --- Input ---

TEST(InputTest, LeavesOutTakesTheJobsSettings) {
  const ParsedLine parsed = ParseLine(R"({"prompt": "Hello"})", 3, Settings());
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_EQ(parsed.item.prompt, "Hello");
  EXPECT_TRUE(parsed.item.id.is_null());
  EXPECT_EQ(parsed.item.max_tokens, 7u);
  EXPECT_EQ(parsed.item.sampling.seed, 13u);  // the job's and the line's number
  EXPECT_EQ(parsed.item.stop, std::vector<std::string>{"END"});
}

TEST(InputTest, ReadsEveryField) {
  const ParsedLine parsed = ParseLine(
      R"({"id": "a", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
          "max_tokens": 5, "temperature": 0.5, "top_k": 3, "top_p": 0.25, "min_p": 0.125,
          "repetition_penalty": 2, "seed": 18446744073709551615, "stop": "s", "ignore_eos": true,
          "return_token_ids": true, "logprobs": true, "top_logprobs": 2, "user": "u", "n": 1})",
      1, Settings());
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  const BatchItem& item = parsed.item;
  EXPECT_EQ(item.id, "a");
  ASSERT_EQ(item.messages.size(), 1u);
  EXPECT_EQ(item.messages[0].content, "x");
  EXPECT_EQ(item.sampling, (SamplingParams{.temperature = 0.5f,
                                           .top_k = 3,
                                           .top_p = 0.25f,
                                           .min_p = 0.125f,
                                           .repetition_penalty = 2,
                                           .seed = 18446744073709551615u,
                                           .logprobs = 2}));
  EXPECT_EQ(item.max_tokens, 5u);
  EXPECT_EQ(item.stop, std::vector<std::string>{"s"});
  EXPECT_TRUE(item.ignore_eos && item.token_ids && item.logprobs);
}

TEST(InputTest, ReadsOpenAisForm) {
  const ParsedLine parsed = ParseLine(
      R"({"custom_id": "c", "method": "POST", "url": "/v1/completions",
          "body": {"model": "any", "prompt": "p", "max_tokens": 2, "logprobs": 0}})",
      1, Settings());
  ASSERT_TRUE(parsed.status.ok()) << parsed.status;
  EXPECT_TRUE(parsed.item.is_openai);
  EXPECT_EQ(parsed.item.id, "c");
  EXPECT_TRUE(parsed.item.logprobs);
  EXPECT_EQ(parsed.item.sampling.logprobs, 1u);  // for the chosen token's own
  EXPECT_EQ(parsed.item.top_logprobs, 0u);
}

TEST(InputTest, BadLinesSayWhatIsWrong) {
  EXPECT_THAT(ErrorOf("{"), HasSubstr("JSON object"));
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("JSON object"));
  EXPECT_THAT(ErrorOf("{\"prompt\": \"\xff\"}"), HasSubstr("JSON object"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("prompt"));
  EXPECT_THAT(ErrorOf(R"({"prompt": "p", "messages": [{"role": "user", "content": "x"}]})"),
              HasSubstr("one of"));
  EXPECT_THAT(ErrorOf(R"({"prompt": 5})"), HasSubstr("prompt: found 5, want a text"));
  EXPECT_THAT(ErrorOf(R"({"prompt": "p", "temprature": 1})"), HasSubstr("temprature"));
  EXPECT_THAT(ErrorOf(R"({"prompt": "p", "temperature": -1})"), HasSubstr("temperature"));
  EXPECT_THAT(ErrorOf(R"({"prompt": "p", "max_tokens": -1})"), HasSubstr("max_tokens"));
  EXPECT_THAT(ErrorOf(R"({"prompt": "p", "max_tokens": 4294967296})"), HasSubstr("max_tokens"));
  EXPECT_THAT(ErrorOf(R"({"prompt": "p", "n": 2})"), HasSubstr("n: found 2, want 1"));
  EXPECT_THAT(ErrorOf(R"({"prompt": "p", "top_logprobs": 2})"), HasSubstr("logprobs"));
  EXPECT_THAT(ErrorOf(R"({"prompt": "p", "id": [1]})"), HasSubstr("id"));
  EXPECT_THAT(ErrorOf(R"({"custom_id": "c", "url": "/v1/embeddings", "body": {}})"),
              HasSubstr("url"));
  EXPECT_THAT(ErrorOf(R"({"custom_id": "c", "url": "/v1/chat/completions",
                          "body": {"prompt": "p"}})"),
              HasSubstr("messages"));
  EXPECT_THAT(ErrorOf(std::string(kMaxLineBytes + 1, ' ')), HasSubstr("bytes"));
}

TEST(OutputTest, AnErrorKeepsTheFormAndTheIdOfItsLine) {
  const ParsedLine plain = ParseLine(R"({"prompt": "p", "id": 7, "zzz": 1})", 3, Settings());
  EXPECT_EQ(ErrorLine(plain.item, plain.status),
            R"({"id":7,"error":{"code":"INVALID_ARGUMENT","message":)"
            R"("zzz: a field that is not known","line":3}})");
  const ParsedLine other = ParseLine(R"({"custom_id": "c"})", 3, Settings());
  EXPECT_THAT(ErrorLine(other.item, other.status),
              StartsWith(R"({"id":"line-3","custom_id":"c","response":null,"error":{)"));
}

// --- Journal ---

nlohmann::ordered_json Header() { return ToJson(Settings()); }

std::unique_ptr<Journal> OpenJournal(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Journal>> journal = Journal::Open(path, Header());
  EXPECT_TRUE(journal.ok()) << journal.status();
  return journal.ok() ? *std::move(journal) : nullptr;
}

TEST(JournalTest, WhereverItIsTornWhatIsWholeStays) {
  const std::string path = FreshPath("torn");
  size_t header_bytes = 0;
  {
    const auto journal = OpenJournal(path);
    header_bytes = Read(path).size();
    ASSERT_TRUE(journal->Put(2, "d2", "two").ok());
    ASSERT_TRUE(journal->Put(1, "d1", "one").ok());
    ASSERT_TRUE(journal->Sync().ok());
  }
  const std::string whole = Read(path);
  const size_t first_end = whole.find('\n', header_bytes) + 1;
  for (size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    std::ofstream(path, std::ios::binary) << whole.substr(0, bytes);
    const auto journal = OpenJournal(path);
    ASSERT_NE(journal, nullptr);
    EXPECT_EQ(journal->found(), bytes == whole.size() ? 2u : bytes >= first_end ? 1u : 0u) << bytes;
    EXPECT_EQ(journal->Has(2, "d2"), bytes >= first_end) << bytes;
    ASSERT_TRUE(journal->Put(3, "d3", "three").ok());
    const std::string sorted = FreshPath("torn.sorted");
    ASSERT_TRUE(journal->WriteSorted(sorted).ok());
    EXPECT_EQ(Read(sorted), bytes >= first_end ? "two\nthree\n" : "three\n") << bytes;
  }
}

TEST(JournalTest, ADamagedLineAndAllBehindItAreCutOff) {
  const std::string path = FreshPath("damaged");
  {
    const auto journal = OpenJournal(path);
    for (uint64_t line = 1; line <= 3; ++line) ASSERT_TRUE(journal->Put(line, "d", "answer").ok());
  }
  std::string text = Read(path);
  text[text.find("2 d answer") + 4] ^= 1;
  std::ofstream(path, std::ios::binary) << text;
  const auto journal = OpenJournal(path);
  EXPECT_EQ(journal->found(), 1u);
  EXPECT_GT(journal->cut_bytes(), 0u);
}

TEST(JournalTest, AnswersToAnotherTextOrOtherSettingsDoNotCount) {
  const std::string path = FreshPath("other");
  {
    const auto journal = OpenJournal(path);
    ASSERT_TRUE(journal->Put(1, "old", "answer").ok());
    EXPECT_FALSE(journal->Has(1, "new"));
    EXPECT_TRUE(journal->Has(1, "old"));
    const absl::Status second = Journal::Open(path, Header()).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
    EXPECT_THAT(second.message(), HasSubstr("another job"));
  }
  nlohmann::ordered_json other = Header();
  other["temperature"] = 0.25;
  const absl::Status refused = Journal::Open(path, other).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(refused.message(), HasSubstr("temperature: found 0.8"));

  std::ofstream(path, std::ios::binary) << "some other file\n";
  EXPECT_THAT(Journal::Open(path, Header()).status().message(), HasSubstr("not a journal"));
  EXPECT_EQ(Read(path), "some other file\n");
}

// A limit on the size of files stands for the end of the disk.
TEST(JournalTest, AFullDiskLeavesItSound) {
  const std::string path = FreshPath("full");
  const auto journal = OpenJournal(path);
  ASSERT_TRUE(journal->Put(1, "d", "answer").ok());
  const std::string before = Read(path);
  rlimit old = {};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{before.size() + 5, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  const absl::Status status = journal->Put(2, "d", "answer");
  const absl::Status sorted = journal->WriteSorted(path + ".sorted");
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(Read(path), before);
  EXPECT_TRUE(sorted.ok()) << sorted;  // it is shorter
  EXPECT_TRUE(journal->Put(2, "d", "answer").ok());
}

TEST(OrderedOutputTest, LinesGoOutInTheirOrder) {
  std::FILE* file = std::tmpfile();
  OrderedOutput output(file);
  ASSERT_TRUE(output.Put(3, "", "three").ok());
  ASSERT_TRUE(output.Put(1, "", "one").ok());
  ASSERT_TRUE(output.Sync().ok());
  EXPECT_EQ(std::ftell(file), 4);
  ASSERT_TRUE(output.Skip(2).ok());
  ASSERT_TRUE(output.Sync().ok());
  EXPECT_EQ(Contents(file), "one\nthree\n");
  std::fclose(file);
}

// A pipe: its ends to read and to write.
std::pair<Descriptor, Descriptor> MakePipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe(ends), 0);
  return {Descriptor(ends[0]), Descriptor(ends[1])};
}

TEST(OrderedOutputTest, TellsThatNobodyReadsBeforeThereIsAnythingToWrite) {
  auto [reader, writer] = MakePipe();
  std::FILE* file = fdopen(dup(writer.get()), "w");
  OrderedOutput output(file);
  EXPECT_TRUE(output.Sync().ok());
  reader.Close();
  EXPECT_EQ(output.Sync(), absl::UnavailableError("output: nobody reads it any more"));
  std::fclose(file);
}

TEST(OrderedOutputTest, TellsThatNobodyReadsWhereItIsPassedOn) {
  auto [reader, writer] = MakePipe();
  std::FILE* file = std::tmpfile();
  OrderedOutput output(file, std::move(writer));
  ASSERT_TRUE(output.Put(1, "", "one").ok());
  EXPECT_TRUE(output.Sync().ok());
  reader.Close();
  EXPECT_FALSE(output.Sync().ok());
  EXPECT_EQ(Contents(file), "one\n");
  std::fclose(file);
}

// --- Lines ---

void WriteTo(const Descriptor& file, const std::string& text) {
  EXPECT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

// What Next gives: a line, "(nothing yet)" or "(end)".
std::string NextOf(LineReader& reader) {
  std::string line;
  const absl::StatusOr<LineReader::Got> got = reader.Next(line);
  if (!got.ok()) return got.status().ToString();
  if (*got == LineReader::Got::kNothingYet) return "(nothing yet)";
  return *got == LineReader::Got::kEnd ? "(end)" : line;
}

TEST(LineReaderTest, DoesNotWaitForALineThatIsNotWhole) {
  auto [from, to] = MakePipe();
  LineReader reader(std::move(from));
  EXPECT_EQ(NextOf(reader), "(nothing yet)");
  WriteTo(to, "one\n\ntw");
  EXPECT_EQ(NextOf(reader), "one");
  EXPECT_EQ(NextOf(reader), "");
  EXPECT_EQ(NextOf(reader), "(nothing yet)");
  WriteTo(to, "o\nthree");
  reader.Wait(absl::Hours(1));
  EXPECT_EQ(NextOf(reader), "two");
  EXPECT_EQ(NextOf(reader), "(nothing yet)");
  to.Close();
  EXPECT_EQ(NextOf(reader), "three");
  EXPECT_EQ(NextOf(reader), "(end)");
}

TEST(LineReaderTest, ReadsLinesOfAnyLength) {
  std::string text;
  for (const size_t bytes : {0, 1, 65535, 65536, 200000}) text += std::string(bytes, 'x') + "\n";
  LineReader reader = ReaderOf(text);
  for (const size_t bytes : {0, 1, 65535, 65536, 200000}) {
    EXPECT_EQ(NextOf(reader), std::string(bytes, 'x'));
  }
  EXPECT_EQ(NextOf(reader), "(end)");
}

TEST(LineReaderTest, WhatCannotBeReadIsAnError) {
  LineReader directory(Descriptor(open("/", O_RDONLY)));
  EXPECT_THAT(NextOf(directory), StartsWith("DATA_LOSS: input: cannot be read"));
}

// --- Job ---

class JobTest : public ::testing::Test {
 protected:
  JobTest() {
    LocalClusterOptions local;
    local.stages = 2;
    cluster_ = *LocalCluster::Open(kModel, local);
    options_.settings = Settings();
    options_.chat_format = absl::NotFoundError("no format");
    options_.tokenizer = &cluster_->tokenizer();
    options_.engines = {&cluster_->engine()};
    options_.in_flight = 3;
  }

  std::string Run(const std::string& input, AnswerSink& sink) {
    LineReader lines = ReaderOf(input);
    const absl::StatusOr<JobProgress> done = RunJob(options_, lines, sink);
    if (!done.ok()) return done.status().ToString();
    return absl::StrCat(done->found, " found, ", done->answered, " answered, ", done->errors,
                        " errors");
  }

  std::unique_ptr<LocalCluster> cluster_;
  JobOptions options_;
};

std::string Lines(int count) {
  std::string input;
  for (int i = 1; i <= count; ++i) {
    absl::StrAppend(&input, R"({"id": )", i, R"(, "prompt": "The number )", i, "\"}\n");
  }
  return input;
}

TEST_F(JobTest, AResumedRunWritesTheBytesOfOneThatWasNot) {
  const std::string input =
      Lines(6) + "\n{\"prompt\": 1}\n" + R"({"id": 2, "prompt": "id twice"})" + "\n" +
      R"({"messages": [{"role": "user", "content": "x"}]})" + "\n" +
      R"({"prompt": "x", "max_tokens": 2, "logprobs": 1, "return_token_ids": true})" + "\n";
  const std::string path = FreshPath("whole"), output = path + ".out";
  {
    const auto journal = OpenJournal(path);
    EXPECT_EQ(Run(input, *journal), "0 found, 10 answered, 3 errors");
    ASSERT_TRUE(journal->WriteSorted(output).ok());
  }
  const std::string whole = Read(output);
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 10);
  EXPECT_THAT(whole, HasSubstr(R"("message":"id: found 2, which line 2 has, want another")"));
  EXPECT_THAT(whole, HasSubstr(R"("message":"no format")"));
  EXPECT_THAT(whole, HasSubstr(R"("token_ids":[)"));
  EXPECT_THAT(whole, HasSubstr(R"("top_logprobs":[{)"));

  const std::string resumed = FreshPath("resumed");
  {
    const auto journal = OpenJournal(resumed);
    EXPECT_EQ(Run(Lines(3), *journal), "0 found, 3 answered, 0 errors");
  }
  const auto journal = OpenJournal(resumed);
  EXPECT_EQ(Run(input, *journal), "3 found, 7 answered, 3 errors");
  ASSERT_TRUE(journal->WriteSorted(output).ok());
  EXPECT_EQ(Read(output), whole);
}

// The input goes on only once the answer to its first line is there.
TEST_F(JobTest, AnswersWhileMoreOfTheInputIsYetToCome) {
  class Waker final : public AnswerSink {
   public:
    explicit Waker(Descriptor to) : to_(std::move(to)) {}
    bool Has(uint64_t, const std::string&) override { return false; }
    absl::Status Skip(uint64_t) override { return absl::OkStatus(); }
    absl::Status Put(uint64_t line, const std::string&, const std::string&) override {
      if (line == 1) WriteTo(to_, Lines(2));
      if (line == 3) to_.Close();
      return absl::OkStatus();
    }
    absl::Status Sync() override { return absl::OkStatus(); }

   private:
    Descriptor to_;
  };
  auto [from, to] = MakePipe();
  WriteTo(to, "{\"prompt\": \"x\"}\n");
  Waker sink(std::move(to));
  LineReader lines(std::move(from));
  const absl::StatusOr<JobProgress> done = RunJob(options_, lines, sink);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(done->answered, 3u);
}

TEST_F(JobTest, TellsWhenTokensCame) {
  const auto journal = OpenJournal(FreshPath("times"));
  LineReader lines = ReaderOf("{\n" + Lines(2));
  const absl::StatusOr<JobProgress> done = RunJob(options_, lines, *journal);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_GT(done->first_token, absl::ZeroDuration());
  EXPECT_LT(done->first_token, done->last_token);
  EXPECT_LE(done->last_token, done->elapsed);
}

TEST_F(JobTest, APipelineThatBreaksEndsTheJobAndKeepsWhatIsAnswered) {
  const auto journal = OpenJournal(FreshPath("broken"));
  cluster_->engine().StopPipeline(absl::UnavailableError("a rank died"));
  EXPECT_THAT(Run(Lines(2) + "{\n", *journal), HasSubstr("a rank died"));
}

TEST(ProgressTest, SaysHowFarItIs) {
  JobProgress progress;
  progress.lines = 1000;
  progress.found = 100;
  progress.answered = 300;
  progress.errors = 1;
  progress.tokens = 6000;
  progress.elapsed = absl::Seconds(60);
  EXPECT_EQ(ProgressText(progress), "400/1000 lines (40 %), 100.0 tokens/s, 1 error, 2m left");
  progress.lines = 0;
  EXPECT_EQ(ProgressText(progress), "400 lines, 100.0 tokens/s, 1 error");
}

TEST(ProgressTest, ATerminalHasALineThatRedrawsItself) {
  std::FILE* terminal = std::tmpfile();
  {
    ProgressLine line(terminal, [](const std::string& text) { ADD_FAILURE() << text; });
    line.Show({.lines = 4});
    line.Show({.lines = 4, .answered = 1});
  }
  EXPECT_EQ(Contents(terminal), "\r0/4 lines (0 %)\033[K\r1/4 lines (25 %), 0 left\033[K\n");
  std::fclose(terminal);
}

TEST(ProgressTest, ALogHasALineAMinute) {
  std::vector<std::string> log;
  ProgressLine line(nullptr, [&](const std::string& text) { log.push_back(text); });
  for (uint64_t second = 0; second <= 130; ++second) {
    line.Show({.answered = second, .elapsed = absl::Seconds(second)});
  }
  EXPECT_THAT(log, ElementsAre("60 lines, 0.0 tokens/s", "120 lines, 0.0 tokens/s"));
}

}  // namespace
}  // namespace tern
