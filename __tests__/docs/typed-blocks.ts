/** The TypeScript of the documents as files of one program, so that the compiler loads the types of the package once. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { type CodeBlock, codeBlocks, DOCUMENTS, ROOT } from './documents';

/** The modules from which a piece of code may use a name without an import: the reader has imported it already. */
const KNOWN_MODULES = [
  ['./given', '__tests__/docs/given.ts'],
  ['express-ai-balancer', 'lib/index.ts'],
  ['express-ai-balancer/simulator', 'lib/simulator/index.ts'],
] as const;

/** What a login middleware such as passport adds to the types of Express. */
const LOGIN = `declare global { namespace Express { interface Request { user?: { id: string; shop: string; isAdmin: boolean; paying: boolean } } } } `;

/** A document's block as a module: its own lines, with the imports that it leaves out in front of the first one. */
export interface TypedBlock extends CodeBlock {
  readonly file: string;
  readonly source: string;
}

/** In a folder of the repository, so that its packages are found. */
const FOLDER = join(ROOT, '__tests__/docs');

/** A comment such as `// app.ts` in its first line names the file that other blocks import. */
function fileName({ document, line, code }: CodeBlock): string {
  return /^\/\/ ([\w-]+\.ts)\n/.exec(code)?.[1] ?? `${document.replaceAll('/', '_')}.${line}.ts`;
}

export function typedBlocks(): TypedBlock[] {
  const owners = new Map<string, string>();
  for (const [module, file] of [...KNOWN_MODULES].reverse()) {
    for (const name of exportedNames(join(ROOT, file))) owners.set(name, module);
  }
  return DOCUMENTS.flatMap(codeBlocks)
    .filter(({ language }) => language === 'ts')
    .map((block) => ({
      ...block,
      file: join(FOLDER, fileName(block)),
      source: `${missingImports(block.code, owners)}${block.code.includes('req.user') ? LOGIN : ''}${block.code}\nexport {};\n`,
    }));
}

function missingImports(code: string, owners: ReadonlyMap<string, string>): string {
  const source = ts.createSourceFile('block.ts', code, ts.ScriptTarget.Latest);
  const used = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) used.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  const declared = declaredNames(source);
  const imports = [...used].filter((name) => owners.has(name) && !declared.has(name));
  return imports.map((name) => `import { ${name} } from '${owners.get(name)}'; `).join('');
}

/** The names that the statements of a module declare. */
function declaredNames(source: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  const add = (name: ts.Node): void => {
    if (ts.isIdentifier(name)) names.add(name.text);
    else
      ts.forEachChild(name, (element) => {
        if (ts.isBindingElement(element)) add(element.name);
      });
  };
  for (const statement of source.statements) {
    if (ts.isVariableStatement(statement)) {
      for (const { name } of statement.declarationList.declarations) add(name);
    } else if (ts.isImportDeclaration(statement)) {
      const { name, namedBindings } = statement.importClause ?? {};
      if (name) add(name);
      if (namedBindings && ts.isNamedImports(namedBindings)) {
        for (const element of namedBindings.elements) add(element.name);
      }
    } else if (
      (ts.isFunctionDeclaration(statement) ||
        ts.isInterfaceDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement)) &&
      statement.name
    ) {
      add(statement.name);
    }
  }
  return names;
}

/** The names that a module exports, as its own text lists them. */
function exportedNames(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  return source.statements.flatMap((statement) => {
    if (
      ts.isExportDeclaration(statement) &&
      statement.exportClause &&
      ts.isNamedExports(statement.exportClause)
    )
      return statement.exportClause.elements.map(({ name }) => name.text);
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    if (!isExported) return [];
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.flatMap(({ name }) =>
        ts.isIdentifier(name) ? [name.text] : [],
      );
    return (ts.isFunctionDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement)) &&
      statement.name
      ? [statement.name.text]
      : [];
  });
}
