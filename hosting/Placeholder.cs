namespace Microsoft.Azure.Functions.Worker; internal static class Placeholder;
