/*
 * The patterns that `classify` looks for. Every pattern runs in linear time, as it has no nested quantifiers. Ambiguous
 * words such as "go", "swift" and "table" are left out; "code" alone is as likely to mean a coupon as a program.
 */

export const CODE_FENCE = /```|~~~/;

/** Lines that occur only in programs, shell sessions, queries and stack traces. */
export const CODE_PATTERNS: readonly RegExp[] = [
  /^\s{0,12}(?:def \w{1,60}\(|class \w{1,60}[:({ ]|import \{|from [\w.]{1,60} import |#include ?<|package \w{1,60};|using namespace )/m,
  /\b(?:function \w{1,60}\(|const \w{1,60} ?= |let \w{1,60} ?= |public (?:static|class|void) |console\.log\(|System\.out\.)/,
  /=> ?\{|\);[ \t]{0,8}$|<\/(?:div|script|body|table)>/m,
  /\bSELECT\b[^;]{1,300}\bFROM\b|\bINSERT INTO\b|\bCREATE TABLE\b|\bALTER TABLE\b/,
  /Traceback \(most recent call last\)|^\s{0,12}at [\w.$<>]{1,80} ?\([^)]{1,200}:\d{1,6}/m,
  /\b(?:TypeError|SyntaxError|ReferenceError|NullPointerException|ImportError|KeyError|Segmentation fault|ECONNREFUSED)\b/,
];

/** Tools that read, write or run programs. */
export const CODE_TOOL =
  /^(?:(?:run|exec|execute|eval)_?(?:code|command|python|shell|bash|sql|query|tests?)|code_interpreter|python|bash|shell|terminal|(?:str_replace|apply_patch|edit_file|write_file|read_file|create_file|grep|glob|git_\w{1,40}))(?:$|_|-)/i;

/** Everyday uses of "code", removed before the programming words are searched. */
export const NON_PROGRAMMING_CODES = new RegExp(
  [
    '\\b(?:promo|promotion|promotional|coupon|discount|voucher|gift|gift ?card|referral|invite|zip|postal|post|qr|bar|area|country|',
    'dress|access|security|verification|confirmation|tracking|order|product|error|pass|pin|sms|login|reset|activation|building|door)',
    '[ -]?codes?\\b|\\bcodes? of conduct\\b',
    '|(?:할인|쿠폰|프로모션|QR|큐알|바|인증|우편|상품|추천|초대|비밀|국가|드레스|오류|에러|주문|확인) ?코드',
    '|(?:割引|クーポン|プロモーション|プロモ|QR|バー|認証|郵便|商品|招待|紹介|確認|ドレス|エラー|セキュリティ|国|ギフト) ?コード',
    '|(?:优惠|折扣|验证|促销|邮政|推荐|邀请|商品|股票|優惠|折扣|驗證|邀請|郵政|股票)代[码碼]',
  ].join(''),
  'gi',
);

const LANGUAGES =
  '(?:python|javascript|typescript|java|kotlin|golang|php|perl|scala|haskell|elixir|bash|powershell|sql|postgres(?:ql)?|mysql|html|css|django|node\\.?js|express\\.?js|pandas|numpy|pytorch)';
const CODE_NOUNS =
  '(?:code|codes|function|functions|script|scripts|class|classes|method|methods|program|query|queries|module|component|api|endpoint|test|tests|regex|snippet|decorator|library|package)';

/** Programming terms, and programming languages next to something written in them. */
export const CODE_WORDS = new RegExp(
  [
    '\\b(?:source code|refactor(?:ing)?|debug(?:ging)?|stack ?trace|unit tests?|regex|regular expression|compiler?|compile error|pull request|merge conflict|',
    'code review|pseudo ?code|type ?error|null pointer|data structure|sql query|api endpoint|async/await|dockerfile|webpack|git (?:commit|rebase|merge|branch)|npm install|pip install)\\b',
    '|\\b(?:write|fix|review|explain|optimi[sz]e|implement|document|test|port|translate|convert|simplify|improve|complete) (?:me |us )?(?:a |an |the |this |my |that |some |these )?(?:\\w{1,20} ){0,2}?(?:code|function|script|class|method|algorithm|regex|program)\\b',
    `|\\b${LANGUAGES}\\b[^.?!\\n]{0,60}\\b${CODE_NOUNS}\\b`,
    `|\\b${CODE_NOUNS}\\b[^.?!\\n]{0,60}\\b${LANGUAGES}\\b`,
    '|\\b(?:react|vue|angular) (?:component|hook|native|app)s?\\b',
    '|\\b(?:code|function|script|program)\\b[^.?!\\n]{0,60}\\bin (?:rust|ruby|go|swift|react)\\b',
    '|\\bc\\+\\+|\\bc#|코드|프로그래밍|프로그램을? ?(?:작성|짜)|함수|디버그|디버깅|리팩터|리팩토|컴파일|스택 ?트레이스|알고리즘|정규식|정규 ?표현식|단위 ?테스트',
    '|コード|プログラミング|プログラムを|関数|デバッグ|リファクタ|コンパイル|スタックトレース|アルゴリズム|正規表現|単体テスト',
    '|代[码碼]|编程|編程|程式|函[数數]|调试|調試|除錯|重构|重構|编译|編譯|算法|演算法|正则|正則|单元测试|單元測試',
  ].join(''),
  'i',
);

/** Requests for a summary, a comparison or an assessment. */
export const ANALYSIS_WORDS = new RegExp(
  [
    '\\b(?:summari[sz]e[sd]?|summari[sz]ing|summary|tl;?dr|compare[sd]?|comparing|comparison|contrast|analy[sz]e[sd]?|analy[sz]ing|analysis|evaluate|evaluation|assess|assessment|',
    'critique|pros and cons|advantages and disadvantages|key (?:points|takeaways|findings|insights)|main (?:points|ideas|arguments)|root cause|swot|trends? in|sentiment|extract (?:the |all )?(?:key|main|entities|facts)|review this (?:document|report|contract|paper|article))\\b',
    '|요약|비교|분석|평가해|검토해|장단점|핵심 ?(?:내용|포인트|요점)|시사점|정리해',
    '|要約|まとめて|比較|分析|評価して|考察|長所と短所|メリットとデメリット|要点',
    '|总结|總結|摘要|概括|归纳|歸納|比较一下|比較|对比|對比|比较.{0,20}(?:区别|差异|优劣)|分析|评估|評估|优缺点|優缺點|要点|要點',
  ].join(''),
  'i',
);

/** System messages of programming assistants. */
export const CODING_SYSTEM =
  /\b(?:coding|programming|software (?:engineer|developer)|pair programmer|code (?:assistant|reviewer|generator)|developer assistant|sql (?:expert|assistant))\b|코딩|프로그래밍|编程|編程|程序员|程式設計|プログラミング|コーディング/i;
