import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '../..');
const FILES = readdirSync(__dirname)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => join(__dirname, name));

function options(): ts.CompilerOptions {
  const read = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile.bind(ts.sys));
  return ts.parseJsonConfigFileContent(read.config, ts.sys, ROOT).options;
}

describe('The public types', () => {
  const program = ts.createProgram(FILES, options());

  it.each(FILES.map((file) => [file.slice(ROOT.length + 1), file]))(
    '%s compiles, and what is wrong does not',
    (_, file) => {
      const source = program.getSourceFile(file);
      const faults = ts.getPreEmitDiagnostics(program, source).map(({ messageText, start }) => {
        const line = source && start !== undefined ? source.getLineAndCharacterOfPosition(start).line + 1 : 0;
        return `${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
      });
      expect(faults).toEqual([]);
    },
  );

  it("contain no any in the package's own declarations", () => {
    const entry = program.getSourceFile(join(ROOT, 'lib/index.ts'));
    const found: string[] = [];
    const seen = new Set<ts.Node>();
    const checker = program.getTypeChecker();
    const visit = (node: ts.Node, name: string): void => {
      if (seen.has(node)) return;
      seen.add(node);
      if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(name);
      // Function bodies are not part of the public types.
      if (ts.isBlock(node)) return;
      ts.forEachChild(node, (child) => visit(child, name));
    };
    expect(entry).toBeDefined();
    const module = entry && checker.getSymbolAtLocation(entry);
    const exported = module ? checker.getExportsOfModule(module) : [];
    expect(exported.length).toBeGreaterThan(30);
    for (const symbol of exported) {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      for (const declaration of target.declarations ?? []) {
        if (declaration.getSourceFile().fileName.startsWith(join(ROOT, 'lib')))
          visit(declaration, symbol.name);
      }
    }
    expect(found).toEqual([]);
  });
});
